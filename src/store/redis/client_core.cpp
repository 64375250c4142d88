#include "store/redis/client_core.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tidegate::redis {
namespace {

/// Full jitter: anything up to a limit that doubles.
constexpr Micros kFirstBackoff = 50'000;
constexpr Micros kLongestBackoff = 2'000'000;
constexpr unsigned kMostDoublings = 6;
/// So many unanswered commands on each link make another one worth its while.
constexpr std::size_t kBusyLink = 64;
constexpr unsigned kMostRedirections = 5;
/// Characters of an error that go into a log line.
constexpr std::size_t kMaxMessage = 160;

Micros micros_of(std::chrono::microseconds span) { return static_cast<Micros>(span.count()); }

std::uint64_t next_random(std::uint64_t& state) {  // SplitMix64
  std::uint64_t z = state += 0x9e37'79b9'7f4a'7c15;
  z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
  z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
  return z ^ z >> 31;
}

Failure failure_of(const Node& node, ErrorType type, const std::string& error) {
  return {.type = type,
          .message = to_string(node.endpoint) + " answers: " + error.substr(0, kMaxMessage)};
}

Operation operation_of(Purpose purpose) {
  switch (purpose) {
    case Purpose::role:
    case Purpose::master_address:
    case Purpose::sentinels:
    case Purpose::replicas_wanted:
      return Operation::role;
    case Purpose::slots:
      return Operation::cluster_slots;
    default:
      return Operation::check;
  }
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

Micros Core::random_below(Micros end) { return end == 0 ? 0 : next_random(random_) % end; }

Micros Core::backoff(unsigned& failures) {
  const unsigned doublings = std::min(failures++, kMostDoublings);
  return random_below(std::min(kLongestBackoff, kFirstBackoff << doublings));
}

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
  while (!node.links.empty()) close_link(*node.links.back(), why, now);
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

Link& Core::open_link(Node& node, Micros now) {
  const LinkId id = ++last_link_;
  node.links.push_back(std::make_unique<Link>(id, node.endpoint, greeting, options.tls.get(), now));
  places_[id] = {&node, node.links.back().get()};
  network.open(id, node.endpoint);
  return *node.links.back();
}

Link& Core::open_aside(const Endpoint& endpoint, const Greeting& its_greeting, Micros now) {
  const LinkId id = ++last_link_;
  aside_.push_back(std::make_unique<Link>(id, endpoint, its_greeting, options.tls.get(), now));
  places_[id] = {nullptr, aside_.back().get()};
  network.open(id, endpoint);
  return *aside_.back();
}

void Core::close_aside(Link& link) {
  network.close(link.id());
  places_.erase(link.id());
  std::erase_if(aside_, [&link](const auto& each) { return each.get() == &link; });
}

void Core::connect_to(Node& node, Micros now) {
  if (node.links.empty() && now >= node.next_try) open_link(node, now);
}

void Core::close_link(Link& link, const Failure& why, Micros now) {
  const auto place = places_.find(link.id());
  if (place == places_.end() || place->second.node == nullptr) return;
  network.close(link.id());
  lost(*place->second.node, link.id(), why, now);
}

/// What was sent on a link that is gone will not be answered, and may have been done.
void Core::lost(Node& node, LinkId id, const Failure& why, Micros now) {
  const auto place = places_.find(id);
  Link& link = *place->second.link;
  const bool was_ready = link.ready();
  const std::deque<Link::Sent> sent = link.sent();
  places_.erase(place);
  std::erase_if(node.links, [&link](const auto& each) { return each.get() == &link; });
  listener.on_error(Operation::connect, why.type);
  if (node.links.empty()) node.next_try = now + backoff(node.failures);
  for (const Link::Sent& each : sent) {
    if (each.purpose != Purpose::call || each.call == 0) continue;
    Failure failure = why;
    failure.maybe_executed = true;
    fail(each.call, failure, now);
  }
  // Whoever waits for a server that cannot be reached need not wait for the deadline.
  if (!was_ready && node.links.empty()) {
    std::deque<std::uint64_t> queue;
    queue.swap(node.queue);
    for (const std::uint64_t number : queue) fail(number, why, now);
  }
  router_->on_lost(node, why, now);
}

Link* Core::link_for(Node& node, Micros now) {
  Link* best = nullptr;
  bool opening = false;
  for (const auto& link : node.links) {
    opening = opening || !link->ready();
    if (!link->ready()) continue;
    if (best == nullptr || link->unanswered() < best->unanswered()) best = link.get();
  }
  const bool busy = best == nullptr || best->unanswered() >= kBusyLink;
  if (busy && !opening && node.links.size() < options.connections && now >= node.next_try) {
    open_link(node, now);
  }
  return best;
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

void Core::write(Link& link, Micros now) {
  auto out = link.take_out();
  if (out) {
    if (!out->empty()) network.write(link.id(), *out);
    return;
  }
  const Place place = places_.at(link.id());
  if (place.node != nullptr) return close_link(link, out.error(), now);
  const LinkId id = link.id();
  close_aside(link);
  router_->on_aside_lost(id, now);
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

void Core::on_open(LinkId id, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  Link& link = *place->second.link;
  if (auto opened = link.opened(now); !opened) {
    if (place->second.node != nullptr) close_link(link, opened.error(), now);
  }
  flush(now);
}

void Core::on_bytes(LinkId id, std::string_view bytes, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  Node* const node = place->second.node;
  Link& link = *place->second.link;
  const bool was_ready = link.ready();
  std::vector<Link::Answered> answered;
  const auto received = link.received(bytes, answered, now);
  if (!was_ready && link.ready()) {
    listener.on_exchange(Operation::connect, now - link.began());
    if (node != nullptr) {
      node->failures = 0;
      router_->on_ready(*node, link, now);
      listener.on_ready(now);
    } else {
      router_->on_aside_ready(link, now);
    }
  }
  for (Link::Answered& each : answered) {
    const auto still = places_.find(id);
    if (still == places_.end()) break;
    if (each.sent.purpose != Purpose::call) {
      listener.on_exchange(operation_of(each.sent.purpose), now - each.sent.at);
    }
    if (still->second.node == nullptr) {
      router_->on_aside_reply(*still->second.link, each, now);
    } else {
      answer(*still->second.node, *still->second.link, each, now);
    }
  }
  if (!received) {
    if (const auto still = places_.find(id); still != places_.end()) {
      if (still->second.node != nullptr) {
        const bool unfit = received.error().type == ErrorType::readonly ||
                           received.error().type == ErrorType::loading;
        if (unfit) router_->on_unfit(*still->second.node, received.error(), now);
        // It may have been dropped with its node.
        if (const auto left = places_.find(id); left != places_.end()) {
          close_link(*left->second.link, received.error(), now);
        }
      } else {
        close_aside(*still->second.link);
        router_->on_aside_lost(id, now);
      }
    }
  }
  flush(now);
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
  if (pending.redirections < kMostRedirections) {
    const Node* const before = pending.node;
    pending.node = nullptr;
    if (router_->redirect(pending, node, error, now)) {
      ++pending.redirections;
      return try_again(number, pending, now);
    }
    pending.node = const_cast<Node*>(before);
  }
  const bool redirected =
      error.starts_with("MOVED") || error.starts_with("ASK ") || error.starts_with("TRYAGAIN");
  const ErrorType type = redirected ? ErrorType::clusterdown : meaning_of(error).type;
  fail(number, failure_of(node, type, error), now);
  note_error(node, error, now);
}

void Core::note_error(Node& node, const std::string& error, Micros now) {
  const ErrorMeaning meaning = meaning_of(error);
  if (meaning.server_unfit) router_->on_unfit(node, failure_of(node, meaning.type, error), now);
}

void Core::on_close(LinkId id, ErrorType type, std::string_view message, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  const Failure why{
      .type = type,
      .maybe_executed = true,
      .message = to_string(place->second.link->endpoint()) + ": " + std::string(message)};
  if (place->second.node != nullptr) {
    lost(*place->second.node, id, why, now);
  } else {
    Link* const link = place->second.link;
    places_.erase(place);
    std::erase_if(aside_, [link](const auto& each) { return each.get() == link; });
    router_->on_aside_lost(id, now);
  }
  flush(now);
}

void Core::on_time(Micros now) {
  armed_ = Network::kNever;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::uint64_t number = deadlines_.begin()->second;
    const bool sent = calls_.at(number).link != 0;
    fail(number,
         {.type = ErrorType::timeout,
          .maybe_executed = sent,
          .message = sent ? "no reply in time" : "no connection in time"},
         now);
  }
  while (!later_.empty() && later_.begin()->first <= now) {
    const std::uint64_t number = later_.begin()->second;
    later_.erase(later_.begin());
    if (const auto found = calls_.find(number); found != calls_.end()) {
      route(number, found->second, now);
    }
  }
  std::vector<std::pair<LinkId, Failure>> late;
  for (const auto& [id, place] : places_) {
    const Link& link = *place.link;
    if (!link.ready() && now - link.began() >= micros_of(options.config.connect_timeout)) {
      late.push_back({id,
                      {.type = ErrorType::timeout,
                       .message = to_string(link.endpoint()) + " takes no connection in time"}});
    } else if (link.waits_since() != Network::kNever &&
               now - link.waits_since() >= micros_of(options.config.socket_timeout)) {
      late.push_back({id,
                      {.type = ErrorType::timeout,
                       .maybe_executed = true,
                       .message = to_string(link.endpoint()) + " does not answer any more"}});
    }
  }
  std::ranges::sort(late, {}, [](const auto& each) { return each.first; });
  for (const auto& [id, why] : late) {
    const auto place = places_.find(id);
    if (place == places_.end()) continue;
    if (place->second.node != nullptr) {
      close_link(*place->second.link, why, now);
    } else {
      close_aside(*place->second.link);
      router_->on_aside_lost(id, now);
    }
  }
  router_->on_time(now);
  if (wanted) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {  // NOLINT(modernize-loop-convert): as above
      connect_to(*nodes[i], now);
    }
  }
  flush(now);
}

/// When the next thing is due.
void Core::arm(Micros now) {
  if (shut_) return;
  Micros next = router_->next_time();
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (!later_.empty()) next = std::min(next, later_.begin()->first);
  for (const auto& [id, place] : places_) {
    const Link& link = *place.link;
    if (!link.ready()) {
      next = std::min(next, link.began() + micros_of(options.config.connect_timeout));
    } else if (link.waits_since() != Network::kNever) {
      next = std::min(next, link.waits_since() + micros_of(options.config.socket_timeout));
    }
  }
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
