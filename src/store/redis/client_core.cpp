// What becomes of calls: queued, sent, answered, redirected, or too late.
#include "store/redis/client_core.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tidegate::redis {
namespace {

constexpr unsigned kMostRedirections = 5;
/// Characters of an error that go into a log line.
constexpr std::size_t kMaxMessage = 160;

Failure failure_of(const Node& node, ErrorType type, const std::string& error) {
  return {.type = type,
          .message = to_string(node.endpoint) + " answers: " + error.substr(0, kMaxMessage)};
}

}  // namespace

Core::Core(ClientOptions its_options, Network& its_network, Listener& its_listener)
    : options(std::move(its_options)),
      network(its_network),
      listener(its_listener),
      random_(options.seed) {
  using Topology = RedisConfig::Topology;
  if (const auto parsed = parse_redis_url(options.config.url)) url = *parsed;
  greeting = {.user = url.user,
              .password = url.password,
              .database = options.config.topology == Topology::cluster ? 0 : url.database,
              .ask_role = options.config.topology == Topology::sentinel};
  if (options.only) {
    url.host = options.only->host;
    url.port = options.only->port;
    url.path = options.only->path;
    router_ = make_single(*this);
    return;
  }
  switch (options.config.topology) {
    case Topology::single:
      router_ = make_single(*this);
      break;
    case Topology::sentinel:
      router_ = make_sentinel(*this);
      break;
    case Topology::cluster:
      router_ = make_cluster(*this);
      break;
  }
}

Core::~Core() = default;

std::vector<Endpoint> Core::masters() const { return router_->masters(); }
std::uint64_t Core::server_of(Slot slot) const { return router_->server_of(slot); }

void Core::connect(Micros now) {
  if (wanted || shut_) return;
  wanted = true;
  router_->begin(now);
  arm(now);
}

void Core::call(std::uint64_t number, Call call, Micros deadline, Micros now) {
  if (shut_) return;
  connect(now);
  Pending& pending = calls_[number];
  pending = {.call = std::move(call), .deadline = deadline};
  deadlines_.emplace(deadline, number);
  route(number, pending, now);
}

void Core::cancel(std::uint64_t number) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  deadlines_.erase({found->second.deadline, number});
  later_.erase({found->second.not_before, number});
  if (const auto place = places_.find(found->second.link); place != places_.end()) {
    place->second.link->forget(number);
  }
  calls_.erase(found);  // queues pass over numbers that are gone
}

/// Puts a call where it waits to be sent.
void Core::route(std::uint64_t number, Pending& pending, Micros now) {
  pending.link = 0;
  if (pending.node == nullptr) pending.node = router_->node_for(pending.call, now);
  if (pending.node == nullptr) {
    unrouted_.push_back(number);
  } else {
    pending.node->queue.push_back(number);
  }
}

void Core::route_waiting(Micros now) {
  std::deque<std::uint64_t> waiting;
  waiting.swap(unrouted_);
  for (const std::uint64_t number : waiting) {
    if (const auto found = calls_.find(number); found != calls_.end()) {
      route(number, found->second, now);
    }
  }
}

void Core::fail_waiting(const Failure& failure, Micros now) {
  std::deque<std::uint64_t> waiting;
  waiting.swap(unrouted_);
  for (const std::uint64_t number : waiting) fail(number, failure, now);
}

void Core::try_again(std::uint64_t number, Pending& pending, Micros now) {
  if (pending.not_before > now) {
    later_.emplace(pending.not_before, number);
    pending.link = 0;
  } else {
    route(number, pending, now);
  }
}

void Core::fail(std::uint64_t number, const Failure& failure, Micros now) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  const Operation operation = found->second.call.operation;
  cancel(number);
  listener.on_error(operation, failure.type);
  listener.on_failure(number, failure, now);
}

Node& Core::node_at(const Endpoint& endpoint) {
  for (const auto& node : nodes) {
    if (node->endpoint == endpoint) return *node;
  }
  nodes.push_back(std::make_unique<Node>());
  nodes.back()->endpoint = endpoint;
  return *nodes.back();
}

void Core::drop_node(Node& node, const Failure& why, Micros now) {
  while (!node.links.empty()) end_link(node.links.back()->id(), why, now);
  std::deque<std::uint64_t> queue;
  queue.swap(node.queue);
  for (auto& [number, pending] : calls_) {
    if (pending.node == &node) pending.node = nullptr;
  }
  std::erase_if(nodes, [&node](const auto& each) { return each.get() == &node; });
  for (const std::uint64_t number : queue) {
    if (calls_.contains(number)) unrouted_.push_back(number);
  }
}

void Core::send_queue(Node& node, Micros now) {
  while (!node.queue.empty()) {
    const auto found = calls_.find(node.queue.front());
    if (found == calls_.end() || found->second.node != &node || found->second.link != 0) {
      node.queue.pop_front();
      continue;
    }
    Link* const link = link_for(node, now);
    if (link == nullptr) return;
    const std::uint64_t number = node.queue.front();
    node.queue.pop_front();
    send(number, found->second, *link, now);
  }
}

void Core::send(std::uint64_t number, Pending& pending, Link& link, Micros now) {
  if (pending.asking) {
    link.send(Purpose::asking, 0, std::array<std::string_view, 1>{"ASKING"}, now);
    pending.asking = false;
  }
  const Call& call = pending.call;
  std::vector<std::string_view> words;
  words.reserve(call.arguments.size() + 3);
  std::string keys;
  if (call.script != nullptr) {
    keys = std::to_string(call.keys);
    words.emplace_back(pending.whole ? "EVAL" : "EVALSHA");
    words.emplace_back(pending.whole ? call.script->text : call.script->sha1);
    words.emplace_back(keys);
  }
  words.insert(words.end(), call.arguments.begin(), call.arguments.end());
  link.send(Purpose::call, number, words, now);
  pending.link = link.id();
  pending.sent_at = now;
}

void Core::flush(Micros now) {
  // By number: sending may add nodes.
  for (std::size_t i = 0; i < nodes.size(); ++i) {  // NOLINT(modernize-loop-convert)
    send_queue(*nodes[i], now);
  }
  std::vector<LinkId> ids;
  ids.reserve(places_.size());
  for (const auto& [id, place] : places_) ids.push_back(id);
  std::ranges::sort(ids);
  for (const LinkId id : ids) {
    if (const auto place = places_.find(id); place != places_.end())
      write(*place->second.link, now);
  }
  arm(now);
}

void Core::answer(Node& node, Link& link, Link::Answered& answered, Micros now) {
  if (answered.sent.purpose == Purpose::asking) return;
  if (answered.sent.purpose != Purpose::call) return router_->on_reply(node, link, answered, now);
  const std::uint64_t number = answered.sent.call;
  const auto found = calls_.find(number);
  if (number == 0 || found == calls_.end()) {  // it came too late, and may tell something yet
    if (answered.reply.kind == Reply::Kind::error) note_error(node, answered.reply.text, now);
    return;
  }
  Pending& pending = found->second;
  if (answered.reply.kind == Reply::Kind::error) {
    return refused(number, pending, node, answered.reply.text, now);
  }
  const Operation operation = pending.whole ? Operation::script_load : pending.call.operation;
  listener.on_exchange(operation, now - pending.sent_at);
  pending.link = 0;  // it is no longer there
  cancel(number);
  listener.on_reply(number, answered.reply, now);
}

void Core::refused(std::uint64_t number, Pending& pending, Node& node, const std::string& error,
                   Micros now) {
  if (error.starts_with("NOSCRIPT") && pending.call.script != nullptr && !pending.whole) {
    pending.whole = true;  // it knows it from then on
    pending.link = 0;
    node.queue.push_front(number);
    return;
  }
  if (redirected(pending, node, error, now)) return try_again(number, pending, now);
  fail(number, failure_of(node, meaning_of(error).type, error), now);
  note_error(node, error, now);
}

bool Core::redirected(Pending& pending, Node& node, const std::string& error, Micros now) {
  if (pending.redirections == kMostRedirections) return false;
  ++pending.redirections;
  return router_->redirect(pending, node, error, now);
}

void Core::note_error(Node& node, const std::string& error, Micros now) {
  const ErrorMeaning meaning = meaning_of(error);
  if (meaning.server_unfit) router_->on_unfit(node, failure_of(node, meaning.type, error), now);
}

void Core::on_time(Micros now) {
  armed_ = Network::kNever;
  end_late_calls(now);
  while (!later_.empty() && later_.begin()->first <= now) {
    const std::uint64_t number = later_.begin()->second;
    later_.erase(later_.begin());
    if (const auto found = calls_.find(number); found != calls_.end()) {
      route(number, found->second, now);
    }
  }
  end_late_links(now);
  router_->on_time(now);
  if (wanted) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {  // NOLINT(modernize-loop-convert): as above
      connect_to(*nodes[i], now);
    }
  }
  flush(now);
}

void Core::end_late_calls(Micros now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::uint64_t number = deadlines_.begin()->second;
    const bool sent = calls_.at(number).link != 0;
    fail(number,
         {.type = ErrorType::timeout,
          .maybe_executed = sent,
          .message = sent ? "no reply in time" : "no connection in time"},
         now);
  }
}

/// When the next thing is due.
void Core::arm(Micros now) {
  if (shut_) return;
  Micros next = router_->next_time();
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (!later_.empty()) next = std::min(next, later_.begin()->first);
  for (const auto& [id, place] : places_) next = std::min(next, patience_with(*place.link));
  if (wanted) {
    for (const auto& node : nodes) {
      if (node->links.empty()) next = std::min(next, std::max(node->next_try, now));
    }
  }
  if (next == armed_) return;
  armed_ = next;
  network.wake_at(next);
}

void Core::shut_down(Micros now) {
  if (shut_) return;
  shut_ = true;
  for (const auto& [id, place] : places_) network.close(id);
  places_.clear();
  aside_.clear();
  nodes.clear();
  network.wake_at(Network::kNever);
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, pending] : calls_) numbers.push_back(number);
  std::ranges::sort(numbers);
  for (const std::uint64_t number : numbers) {
    fail(number, {.type = ErrorType::refused, .maybe_executed = true, .message = "shut down"}, now);
  }
}

}  // namespace tidegate::redis
