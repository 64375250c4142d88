// The links of a client: opened with jitter, ended when nothing is heard on them.
#include <algorithm>
#include <utility>

#include "store/redis/client_core.hpp"

namespace tidegate::redis {
namespace {

/// Full jitter: anything up to a limit that doubles.
constexpr Micros kFirstBackoff = 50'000;
constexpr Micros kLongestBackoff = 2'000'000;
constexpr unsigned kMostDoublings = 6;
/// So many unanswered commands on each link make another one worth its while.
constexpr std::size_t kBusyLink = 64;

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

Micros Core::backoff(unsigned& failures) {
  const unsigned doublings = std::min(failures++, kMostDoublings);
  return random_below(std::min(kLongestBackoff, kFirstBackoff << doublings));
}

void Core::open_link(Node& node, Micros now) {
  const LinkId id = ++last_link_;
  node.links.push_back(std::make_unique<Link>(id, node.endpoint, greeting, options.tls.get(), now));
  places_[id] = {&node, node.links.back().get()};
  network.open(id, node.endpoint);
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

void Core::end_link(LinkId id, const Failure& why, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  if (place->second.node != nullptr) {
    network.close(id);
    lost(*place->second.node, id, why, now);
  } else {
    close_aside(*place->second.link);
    router_->on_aside_lost(id, now);
  }
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

void Core::write(Link& link, Micros now) {
  const auto out = link.take_out();
  if (!out) return end_link(link.id(), out.error(), now);
  if (!out->empty()) network.write(link.id(), *out);
}

void Core::on_open(LinkId id, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  if (const auto opened = place->second.link->opened(now); !opened) {
    end_link(id, opened.error(), now);
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
      listener.on_ready(router_->server_number(*node), now);
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
    const bool unfit =
        received.error().type == ErrorType::readonly || received.error().type == ErrorType::loading;
    const auto still = places_.find(id);
    if (unfit && still != places_.end() && still->second.node != nullptr) {
      router_->on_unfit(*still->second.node, received.error(), now);
    }
    end_link(id, received.error(), now);  // it may have been dropped with its node
  }
  flush(now);
}

void Core::on_close(LinkId id, ErrorType type, std::string_view message, Micros now) {
  const auto place = places_.find(id);
  if (place == places_.end()) return;
  const Failure why{
      .type = type,
      .maybe_executed = true,
      .message = to_string(place->second.link->endpoint()) + ": " + std::string(message)};
  end_link(id, why, now);
  flush(now);
}

void Core::end_late_links(Micros now) {
  std::vector<std::pair<LinkId, Failure>> late;
  for (const auto& [id, place] : places_) {
    const Link& link = *place.link;
    if (patience_with(link) > now) continue;
    late.push_back({id,
                    {.type = ErrorType::timeout,
                     .maybe_executed = link.ready(),
                     .message = to_string(link.endpoint()) +
                                (link.ready() ? " does not answer any more"
                                              : " takes no connection in time")}});
  }
  std::ranges::sort(late, {}, [](const auto& each) { return each.first; });
  for (const auto& [id, why] : late) end_link(id, why, now);
}

Micros Core::patience_with(const Link& link) const {
  if (!link.ready()) return link.began() + micros_of(options.config.connect_timeout);
  return link.waits_since() == Network::kNever
             ? Network::kNever
             : link.waits_since() + micros_of(options.config.socket_timeout);
}

}  // namespace tidegate::redis
