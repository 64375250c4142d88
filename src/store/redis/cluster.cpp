// A cluster: each of 16384 slots has a master, and slots move while it serves.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "core/hash.hpp"
#include "store/redis/client_core.hpp"

namespace tidegate::redis {
namespace {

constexpr std::size_t kSlots = 16'384;
constexpr std::uint16_t kNobody = 0xffff;
constexpr Micros kJitter = 100'000;      ///< of a refresh, so that many hints make one
constexpr Micros kAgain = 10'000;        ///< after TRYAGAIN; and
constexpr Micros kAgainJitter = 20'000;  ///< up to so much more
constexpr Micros kBetweenRefreshes = 30'000'000;

/// "host:port", split at the last colon; an empty host is that of whoever says so.
std::optional<Endpoint> endpoint_in(std::string_view text, const Endpoint& from) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  Endpoint endpoint = from;
  endpoint.path.clear();
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size() || endpoint.port == 0) {
    return std::nullopt;
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!host.empty()) endpoint.host = host;
  return endpoint;
}

class Cluster final : public Router {
 public:
  explicit Cluster(Core& core) : core_(core), owners_(kSlots, kNobody) {}

  void begin(Micros now) override { core_.connect_to(seed(), now); }

  Node* node_for(const Call& call, Micros now) override {
    const std::uint16_t owner = owners_[call.slot % kSlots];
    if (owner != kNobody) {
      Node& node = core_.node_at(masters_[owner].endpoint);
      core_.connect_to(node, now);
      return &node;
    }
    want_map(now);
    return nullptr;
  }

  void on_ready(Node&, Link&, Micros now) override {
    if (masters_.empty() || next_refresh_ <= now) refresh(now);
  }

  void on_lost(Node& node, const Failure& why, Micros now) override {
    if (refreshing_ && asked_ == node.endpoint) refreshing_ = false;
    if (dropping_) return;
    want_map(now);
    // With nobody left to ask, those who wait for the map wait in vain.
    const bool anybody =
        std::ranges::any_of(core_.nodes, [](const auto& each) { return !each->links.empty(); });
    if (anybody) return;
    core_.fail_waiting(why, now);
    core_.connect_to(seed(), now);
  }

  void on_unfit(Node&, const Failure&, Micros now) override { want_map(now); }

  void on_reply(Node& node, Link&, const Link::Answered& answered, Micros now) override {
    if (answered.sent.purpose != Purpose::slots) return;
    refreshing_ = false;
    if (!read_map(answered.reply, node.endpoint, now)) {
      core_.listener.on_error(Operation::cluster_slots, ErrorType::protocol);
      want_map(now);
      return;
    }
    next_refresh_ = now + kBetweenRefreshes;
    drop_others(now);
    core_.route_waiting(now);
    core_.fail_waiting({.type = ErrorType::clusterdown, .message = "nobody serves the slot"}, now);
  }

  bool redirect(Pending& pending, Node& node, std::string_view error, Micros now) override {
    if (error.starts_with("TRYAGAIN")) {
      pending.node = &node;
      pending.not_before = now + kAgain + core_.random_below(kAgainJitter);
      return true;
    }
    if (error.starts_with("CLUSTERDOWN")) {
      want_map(now);
      return false;
    }
    const bool moved = error.starts_with("MOVED ");
    if (!moved && !error.starts_with("ASK ")) return false;
    const auto to = endpoint_in(error.substr(error.rfind(' ') + 1), node.endpoint);
    if (!to) return false;
    Node& target = core_.node_at(*to);
    core_.connect_to(target, now);
    pending.node = &target;
    pending.asking = !moved;
    pending.not_before = 0;
    pending.whole = false;  // the other server may know the script
    if (moved) {
      owners_[pending.call.slot % kSlots] = index_of(*to);
      want_map(now);
    }
    return true;
  }

  [[nodiscard]] Micros next_time() const override { return next_refresh_; }
  void on_time(Micros now) override {
    if (next_refresh_ <= now) refresh(now);
  }
  [[nodiscard]] std::vector<Endpoint> masters() const override {
    std::vector<Endpoint> endpoints;
    for (const Master& master : masters_) endpoints.push_back(master.endpoint);
    return endpoints;
  }
  [[nodiscard]] std::uint64_t server_of(Slot slot) const override {
    const std::uint16_t owner = owners_[slot % kSlots];
    return owner == kNobody ? 0 : masters_[owner].number;
  }
  [[nodiscard]] std::uint64_t server_number(const Node& node) const override {
    return number_of(node.endpoint);
  }

 private:
  struct Master {
    Endpoint endpoint;
    std::uint64_t number = 0;
  };

  static std::uint64_t number_of(const Endpoint& endpoint) {
    return siphash128({}, to_string(endpoint)).low;
  }
  Node& seed() {
    return core_.node_at({.host = core_.url.host, .port = core_.url.port, .path = core_.url.path});
  }

  std::uint16_t index_of(const Endpoint& endpoint) { return index_in(masters_, endpoint); }

  static std::uint16_t index_in(std::vector<Master>& masters, const Endpoint& endpoint) {
    const auto found = std::ranges::find(masters, endpoint, &Master::endpoint);
    const auto index = static_cast<std::uint16_t>(found - masters.begin());
    if (found == masters.end()) masters.push_back({endpoint, number_of(endpoint)});
    return index;
  }

  /// Soon: whoever else finds out that the map is old meanwhile is served by the same refresh.
  void want_map(Micros now) {
    if (!refreshing_) {
      const Micros soon = now + (masters_.empty() ? 0 : core_.random_below(kJitter));
      next_refresh_ = std::min(next_refresh_, soon);
    }
  }

  /// Asks any server that answers.
  void refresh(Micros now) {
    next_refresh_ = now + kJitter;  // if that comes to nothing
    if (refreshing_) return;
    std::vector<Link*> ready;
    for (const auto& node : core_.nodes) {
      for (const auto& link : node->links) {
        if (link->ready()) ready.push_back(link.get());
      }
    }
    if (ready.empty()) return;
    Link& link = *ready[core_.random_below(ready.size())];
    link.send(Purpose::slots, 0, std::array<std::string_view, 2>{"CLUSTER", "SLOTS"}, now);
    refreshing_ = true;
    asked_ = link.endpoint();
  }

  /// Nothing changes where the reply is no map.
  bool read_map(const Reply& reply, const Endpoint& from, Micros now) {
    if (reply.kind != Reply::Kind::array) return false;
    std::vector<std::uint16_t> owners(kSlots, kNobody);
    std::vector<Master> masters;
    for (const Reply& range : reply.elements) {
      if (range.elements.size() < 3 || range.elements[2].elements.size() < 2) return false;
      const std::int64_t first = range.elements[0].integer;
      const std::int64_t last = range.elements[1].integer;
      const std::vector<Reply>& master = range.elements[2].elements;
      if (first < 0 || last < first || last >= static_cast<std::int64_t>(kSlots) ||
          master[1].integer < 1 || master[1].integer > 65'535) {
        return false;
      }
      Endpoint endpoint{.host = master[0].text,
                        .port = static_cast<std::uint16_t>(master[1].integer),
                        .path = {}};
      if (endpoint.host.empty() || endpoint.host == "?") endpoint.host = from.host;
      const std::uint16_t index = index_in(masters, endpoint);
      for (std::int64_t slot = first; slot <= last; ++slot) {
        owners[static_cast<std::size_t>(slot)] = index;
      }
    }
    owners_ = std::move(owners);
    masters_.swap(masters);
    for (const Master& before : masters) {
      if (!owns(before.endpoint)) core_.listener.on_gone(before.number, now);
    }
    return true;
  }

  [[nodiscard]] bool owns(const Endpoint& endpoint) const {
    return std::ranges::find(masters_, endpoint, &Master::endpoint) != masters_.end();
  }

  /// Servers that own nothing any more, once nobody waits for them.
  void drop_others(Micros now) {
    std::vector<Node*> others;
    for (const auto& node : core_.nodes) {
      const bool busy =
          !node->queue.empty() || std::ranges::any_of(node->links, [](const auto& link) {
            return link->unanswered() != 0 || !link->ready();
          });
      if (!owns(node->endpoint) && !busy) others.push_back(node.get());
    }
    dropping_ = true;
    for (Node* const node : others) {
      core_.drop_node(*node, {.type = ErrorType::refused, .message = "it owns no slots"}, now);
    }
    dropping_ = false;
  }

  Core& core_;
  std::vector<Master> masters_;
  std::vector<std::uint16_t> owners_;  ///< by slot: which of them
  Micros next_refresh_ = Network::kNever;
  bool refreshing_ = false;
  bool dropping_ = false;
  Endpoint asked_;  ///< while refreshing
};

}  // namespace

std::unique_ptr<Router> make_cluster(Core& core) { return std::make_unique<Cluster>(core); }

}  // namespace tidegate::redis
