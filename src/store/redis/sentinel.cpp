// A master that sentinels know.
//
// Sentinels are asked in order, each for a short time; the first that answers comes to the front.
// What they say is a rumour until the server itself says in its greeting that it is the master, and
// while one master answers, another takes its place only then. Whoever knows of a later failover (a
// higher epoch) is believed over whoever does not. Both sentinel and master are asked once a
// second: a master that was stopped while another was elected still takes itself for one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "store/redis/client_core.hpp"

namespace tidegate::redis {
namespace {

constexpr Micros kPatience = 300'000;  ///< with one sentinel
constexpr Micros kRest = 200'000;      ///< after all have failed, or a master was none; and
constexpr Micros kMoreRest = 100'000;  ///< up to so much more
constexpr Micros kBetweenLooks = 1'000'000;

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The value of a field in a list of fields and values.
std::string_view field_of(const Reply& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2) {
    if (fields.elements[i].text == name) return fields.elements[i + 1].text;
  }
  return {};
}

std::optional<Endpoint> endpoint_of(std::string_view host, std::string_view port) {
  const auto number = number_of(port);
  if (host.empty() || !number || *number == 0 || *number > 65'535) return std::nullopt;
  return Endpoint{
      .host = std::string(host), .port = static_cast<std::uint16_t>(*number), .path = {}};
}

class Sentinel final : public Router {
 public:
  explicit Sentinel(Core& core) : core_(core), service_(core.options.config.sentinel.service_name) {
    const SentinelConfig& config = core.options.config.sentinel;
    greeting_ = {.user = config.username, .password = core.options.sentinel_password};
    for (const auto& address : config.sentinels) {
      sentinels_.push_back({.host = address.host, .port = address.port, .path = {}});
    }
  }

  void begin(Micros now) override { ask(now); }

  Node* node_for(const Call&, Micros) override { return master_; }

  void on_ready(Node& node, Link& link, Micros now) override {
    if (&node == candidate_) {
      Node* const before = master_;
      master_ = std::exchange(candidate_, nullptr);
      if (before != nullptr) {
        core_.drop_node(*before,
                        {.type = ErrorType::readonly,
                         .maybe_executed = true,
                         .message = to_string(node.endpoint) + " is the master now"},
                        now);
      }
    }
    if (&node != master_) return;
    failures_ = 0;
    if (known_ && *known_ != node.endpoint) core_.listener.on_master_changed();
    known_ = node.endpoint;
    next_look_ = now + kBetweenLooks;
    link.send(Purpose::replicas_wanted, 0,
              std::array<std::string_view, 3>{"CONFIG", "GET", "min-replicas-to-write"}, now);
    core_.route_waiting(now);
  }

  void on_lost(Node& node, const Failure& why, Micros now) override {
    if (!node.links.empty()) return;
    if (&node != master_ && &node != candidate_) return;
    leave(node, why, now);
    // It may be the master again, or another one is.
    next_ask_ = now + (why.type == ErrorType::readonly ? rest() : core_.backoff(failures_));
  }

  void on_unfit(Node& node, const Failure& why, Micros now) override {
    if (&node != master_ && &node != candidate_) return;
    leave(node, why, now);
    next_ask_ = now + rest();
  }

  void on_reply(Node& node, Link&, const Link::Answered& answered, Micros now) override {
    const Reply& reply = answered.reply;
    if (answered.sent.purpose == Purpose::role) {
      const bool is_master = !reply.elements.empty() && reply.elements[0].text == "master";
      if (!is_master) {
        on_unfit(node,
                 {.type = ErrorType::readonly,
                  .maybe_executed = true,
                  .message = to_string(node.endpoint) + " is no master any more"},
                 now);
      }
    } else if (reply.kind == Reply::Kind::error) {
      core_.note_error(node, reply.text, now);
    } else if (answered.sent.purpose == Purpose::replicas_wanted &&
               field_of(reply, "min-replicas-to-write") == "0" && !remarked_) {
      remarked_ = true;
      core_.listener.on_remark(
          "redis_min_replicas",
          fmt::format("{} has min-replicas-to-write 0: after a failover it may go on counting for "
                      "whoever still reaches it; set it to 1, with min-replicas-max-lag 2",
                      to_string(node.endpoint)));
    }
  }

  void on_aside_ready(Link& link, Micros now) override { question(link, now); }

  void on_aside_lost(LinkId id, Micros now) override {
    if (id == aside_) next_sentinel(now);
  }

  void on_aside_reply(Link& link, const Link::Answered& answered, Micros now) override {
    if (link.id() != aside_) return;
    const Reply& reply = answered.reply;
    if (answered.sent.purpose == Purpose::master_address) {
      const bool pair = reply.kind == Reply::Kind::array && reply.elements.size() == 2;
      address_ = pair ? endpoint_of(reply.elements[0].text, reply.elements[1].text) : std::nullopt;
      if (!address_) {
        core_.listener.on_error(Operation::role, ErrorType::protocol);
        core_.close_aside(link);
        next_sentinel(now);
      }
    } else if (answered.sent.purpose == Purpose::role) {
      const std::uint64_t epoch = number_of(field_of(reply, "config-epoch")).value_or(0);
      if (epoch < epoch_) {  // it has not heard of a failover that others know
        core_.close_aside(link);
        next_sentinel(now);
        return;
      }
      epoch_ = epoch;
      if (address_) found(*address_, now);
    } else if (answered.sent.purpose == Purpose::sentinels) {
      learn(reply);
    }
  }

  [[nodiscard]] std::vector<Endpoint> masters() const override {
    return master_ == nullptr ? std::vector<Endpoint>() : std::vector{master_->endpoint};
  }

  [[nodiscard]] Micros next_time() const override {
    return std::min({deadline_, next_ask_, master_ == nullptr ? Network::kNever : next_look_});
  }

  void on_time(Micros now) override {
    if (deadline_ <= now) {
      // Its link may be fine and its answer late: another sentinel may be better.
      deadline_ = Network::kNever;
      core_.listener.on_error(Operation::role, ErrorType::timeout);
      close_aside();
      next_sentinel(now);
    }
    if (next_ask_ <= now) ask(now);
    if (master_ != nullptr && next_look_ <= now) {
      next_look_ = now + kBetweenLooks;
      for (const auto& link : master_->links) {
        if (!link->ready()) continue;
        link->send(Purpose::role, 0, std::array<std::string_view, 1>{"ROLE"}, now);
        break;
      }
    }
  }

 private:
  [[nodiscard]] Micros rest() { return kRest + core_.random_below(kMoreRest); }

  void ask(Micros now) {
    next_ask_ = Network::kNever;
    if (Link* const link = aside_link(); link != nullptr) {
      if (link->ready() && link->unanswered() == 0) question(*link, now);
      return;
    }
    if (turn_ >= sentinels_.size()) turn_ = 0;
    Link& link = core_.open_aside(sentinels_[turn_], greeting_, now);
    aside_ = link.id();
    aside_at_ = &link;
    deadline_ = now + kPatience;
  }

  void question(Link& link, Micros now) {
    address_.reset();
    deadline_ = now + kPatience;
    link.send(Purpose::master_address, 0,
              std::array<std::string_view, 3>{"SENTINEL", "get-master-addr-by-name", service_},
              now);
    link.send(Purpose::sentinels, 0,
              std::array<std::string_view, 3>{"SENTINEL", "sentinels", service_}, now);
    link.send(Purpose::role, 0, std::array<std::string_view, 3>{"SENTINEL", "master", service_},
              now);
  }

  void found(const Endpoint& endpoint, Micros now) {
    deadline_ = Network::kNever;
    next_ask_ = now + kBetweenLooks;
    std::rotate(sentinels_.begin(), sentinels_.begin() + static_cast<std::ptrdiff_t>(turn_),
                sentinels_.begin() + static_cast<std::ptrdiff_t>(turn_) + 1);
    turn_ = 0;
    failed_ = 0;
    if (master_ != nullptr && master_->endpoint == endpoint) return;
    if (candidate_ != nullptr && candidate_->endpoint != endpoint) {
      Node& other = *std::exchange(candidate_, nullptr);
      core_.drop_node(other, {.type = ErrorType::refused, .message = "another is the master"}, now);
    }
    Node& node = core_.node_at(endpoint);
    // Calls wait for whoever it is where there is nobody else.
    (master_ == nullptr ? master_ : candidate_) = &node;
    core_.connect_to(node, now);
    if (master_ == &node) core_.route_waiting(now);
  }

  /// Whoever is said to be the master takes the place of one that is gone.
  void leave(Node& node, const Failure& why, Micros now) {
    if (&node == candidate_) candidate_ = nullptr;
    if (&node == master_) master_ = std::exchange(candidate_, nullptr);
    core_.drop_node(node, why, now);
    if (master_ != nullptr) core_.route_waiting(now);
  }

  void next_sentinel(Micros now) {
    aside_ = 0;
    aside_at_ = nullptr;
    deadline_ = Network::kNever;
    turn_ = (turn_ + 1) % sentinels_.size();
    const bool all = ++failed_ % sentinels_.size() == 0;
    next_ask_ = all ? now + rest() : now;
    if (!all || master_ != nullptr) return;
    core_.fail_waiting({.type = ErrorType::refused,
                        .message = fmt::format("no sentinel knows the master \"{}\"", service_)},
                       now);
  }

  /// Those that this one knows are asked too, behind the others.
  void learn(const Reply& reply) {
    constexpr std::size_t kMostSentinels = 32;
    for (const Reply& each : reply.elements) {
      const auto endpoint = endpoint_of(field_of(each, "ip"), field_of(each, "port"));
      if (!endpoint || sentinels_.size() >= kMostSentinels) continue;
      if (std::ranges::find(sentinels_, *endpoint) == sentinels_.end()) {
        sentinels_.push_back(*endpoint);
      }
    }
  }

  [[nodiscard]] Link* aside_link() const { return aside_ == 0 ? nullptr : aside_at_; }
  void close_aside() {
    if (Link* const link = aside_link(); link != nullptr) core_.close_aside(*link);
  }

  Core& core_;
  std::string service_;
  Greeting greeting_;
  std::vector<Endpoint> sentinels_;
  std::size_t turn_ = 0;    ///< of sentinels_
  std::size_t failed_ = 0;  ///< in a row
  LinkId aside_ = 0;
  Link* aside_at_ = nullptr;
  Micros deadline_ = Network::kNever;   ///< of the sentinel that is asked
  Micros next_ask_ = Network::kNever;   ///< for sentinels
  Micros next_look_ = Network::kNever;  ///< at the master's role
  std::optional<Endpoint> address_;     ///< as it was just told
  std::uint64_t epoch_ = 0;             ///< the highest that was heard of
  Node* master_ = nullptr;
  Node* candidate_ = nullptr;      ///< said to be the master while another one still answers
  std::optional<Endpoint> known_;  ///< the last that said so itself
  unsigned failures_ = 0;          ///< to connect to a master, in a row
  bool remarked_ = false;
};

}  // namespace

std::unique_ptr<Router> make_sentinel(Core& core) { return std::make_unique<Sentinel>(core); }

}  // namespace tidegate::redis
