#include "tests/simulation/fabric.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

namespace tidegate::simulation {
namespace {

constexpr Micros kLatency = 100;
constexpr Micros kJitter = 400;
/// Between attempts to connect to somebody who does not answer, and to send again what was lost.
constexpr Micros kKnockAgain = 1'000'000;
constexpr Micros kSendAgain = 200'000;

std::string damaged(Fabric::Damage damage, std::string_view bytes) {
  constexpr std::size_t kDepth = 10'000;
  switch (damage) {
    case Fabric::Damage::cut:
      return std::string(bytes.substr(0, bytes.size() / 2));
    case Fabric::Damage::junk:
      return "HTTP/1.1 400 Bad Request\r\n\r\n";
    case Fabric::Damage::huge:
      return "$2147483647\r\n";
    case Fabric::Damage::deep: {
      std::string nested;
      for (std::size_t i = 0; i < kDepth; ++i) nested += "*1\r\n";
      return nested;
    }
  }
  return {};
}

}  // namespace

Micros Fabric::latency(Party a, Party b) {
  Micros delay = kLatency + world_.below(kJitter);
  if (const auto found = delays_.find(std::minmax(a, b)); found != delays_.end()) {
    delay += found->second;
  }
  return delay;
}

void Fabric::set_delay(Party a, Party b, Micros delay) {
  if (delay == 0) {
    delays_.erase(std::minmax(a, b));
  } else {
    delays_[std::minmax(a, b)] = delay;
  }
}

ConnectionId Fabric::connect(Party from, Peer& client, Party to) {
  const ConnectionId id = ++last_;
  Connection& connection = connections_[id];
  connection.client_party = from;
  connection.server_party = to;
  connection.client = &client;
  connection.server = services_.at(to);
  world_.after(latency(from, to), [this, id] { knock(id); });
  return id;
}

void Fabric::knock(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const bool reached = open_both_ways(connection.client_party, connection.server_party);
  const Service::Answer answer = reached ? connection.server->answer() : Service::Answer::silence;
  if (answer == Service::Answer::silence) {
    world_.after(kKnockAgain, [this, id] { knock(id); });
    return;
  }
  const Micros back = latency(connection.client_party, connection.server_party);
  if (answer == Service::Answer::refuses) {
    world_.after(back, [this, id] {
      const auto refused = connections_.extract(id);
      if (!refused.empty()) refused.mapped().client->on_closed(id, true);
    });
    return;
  }
  connection.established = true;
  connection.server->on_connected(id);
  world_.after(back, [this, id] {
    const auto still = connections_.find(id);
    if (still == connections_.end() || still->second.ways[1].deaf) return;
    still->second.client->on_connected(id);
  });
}

void Fabric::push(ConnectionId id, bool to_client, Segment segment) {
  Connection& connection = connections_.at(id);
  Way& way = connection.ways[to_client ? 1 : 0];
  segment.due = world_.now() + latency(connection.client_party, connection.server_party);
  if (!way.under_way.empty()) segment.due = std::max(segment.due, way.under_way.back().due);
  world_.at(segment.due, [this, id, to_client] { deliver(id, to_client); });
  way.under_way.push_back(std::move(segment));
}

void Fabric::send(ConnectionId id, bool from_client, std::string_view bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.ways[from_client ? 0 : 1].closed) return;
  if (!from_client && found->second.damage) {
    const std::string instead = damaged(*found->second.damage, bytes);
    found->second.damage.reset();
    push(id, true, {.due = 0, .end = false, .bytes = instead});
    close(id, false);
    return;
  }
  push(id, !from_client, {.due = 0, .end = false, .bytes = std::string(bytes)});
}

void Fabric::close(ConnectionId id, bool by_client) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (!connection.established) {
    connections_.erase(found);
    return;
  }
  Way& out = connection.ways[by_client ? 0 : 1];
  if (out.closed) return;
  out.closed = true;
  connection.ways[by_client ? 1 : 0].deaf = true;
  push(id, !by_client, {.due = 0, .end = true, .bytes = {}});
}

void Fabric::deliver(ConnectionId id, bool to_client) {
  for (;;) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    Way& way = connection.ways[to_client ? 1 : 0];
    if (way.under_way.empty() || way.under_way.front().due > world_.now()) return;
    if (!is_open(connection, to_client)) return;  // unblock() goes on
    const Segment segment = std::move(way.under_way.front());
    way.under_way.pop_front();
    if (way.deaf) {
      if (segment.end) connections_.erase(found);  // both have hung up
      continue;
    }
    Peer& receiver = to_client ? *connection.client : *connection.server;
    if (!segment.end) {
      receiver.on_bytes(id, segment.bytes);
      continue;
    }
    connections_.erase(found);
    receiver.on_closed(id, false);
  }
}

void Fabric::reset(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Connection connection = std::move(found->second);
  connections_.erase(found);
  if (connection.established && !connection.ways[0].deaf) {
    connection.server->on_closed(id, false);
  }
  if (!connection.ways[1].deaf) connection.client->on_closed(id, false);
}

void Fabric::reset_all_of(const Peer& peer) {
  std::vector<ConnectionId> ids;
  for (auto& [id, connection] : connections_) {
    // It hears nothing of its own end.
    if (connection.client == &peer) connection.ways[1].deaf = true;
    if (connection.server == &peer) connection.ways[0].deaf = true;
    if (connection.client == &peer || connection.server == &peer) ids.push_back(id);
  }
  for (const ConnectionId id : ids) {
    const Connection& connection = connections_.at(id);
    // Whoever cannot be reached does not hear of it before he sends something.
    const bool to_client = connection.server == &peer;
    if (is_open(connection, to_client)) {
      reset(id);
    } else {
      close(id, !to_client);
    }
  }
}

ConnectionId Fabric::any_connection() {
  if (connections_.empty()) return 0;
  return std::next(connections_.begin(),
                   static_cast<std::ptrdiff_t>(world_.below(connections_.size())))
      ->first;
}

void Fabric::unblock(Party from, Party to) {
  const auto found = blocked_.find({from, to});
  if (found == blocked_.end() || --found->second != 0) return;
  blocked_.erase(found);
  for (auto& [id, connection] : connections_) {
    for (const bool to_client : {false, true}) {
      const Party sender = to_client ? connection.server_party : connection.client_party;
      const Party receiver = to_client ? connection.client_party : connection.server_party;
      Way& way = connection.ways[to_client ? 1 : 0];
      if (sender != from || receiver != to || way.under_way.empty()) continue;
      const Micros again = world_.now() + world_.below(kSendAgain);
      for (Segment& segment : way.under_way) segment.due = std::max(segment.due, again);
      const auto go_on = [this, number = id, to_client] { deliver(number, to_client); };
      world_.at(again, go_on);
      world_.at(way.under_way.back().due, go_on);
    }
  }
}

void Fabric::damage_next(ConnectionId connection, Damage damage) {
  if (const auto found = connections_.find(connection); found != connections_.end()) {
    found->second.damage = damage;
  }
}

}  // namespace tidegate::simulation
