// The network between hosts, Redis servers and sentinels: connections that deliver in order, late,
// or not at all.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

/// A machine: a host, a Redis server or a sentinel.
using Party = std::size_t;
using ConnectionId = std::uint64_t;

/// One end of connections.
class Peer {
 public:
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;
  virtual void on_connected(ConnectionId connection) = 0;
  virtual void on_bytes(ConnectionId connection, std::string_view bytes) = 0;
  /// By the other end, or by the network; `refused`: it never was.
  virtual void on_closed(ConnectionId connection, bool refused) = 0;
};

/// Somebody who listens.
class Service : public Peer {
 public:
  enum class Answer : std::uint8_t { accepts, refuses, silence };
  [[nodiscard]] virtual Answer answer() const = 0;
};

class Fabric {
 public:
  explicit Fabric(World& world) : world_(world) {}

  void add(Party party, Service& service) { services_[party] = &service; }

  ConnectionId connect(Party from, Peer& client, Party to);
  /// The end that sends is told by whose `from_client` it is.
  void send(ConnectionId id, bool from_client, std::string_view bytes);
  /// One end hangs up: what it has sent arrives before that, and it hears nothing more.
  void close(ConnectionId id, bool by_client);
  /// Both ends lose it, with all that is under way.
  void reset(ConnectionId id);
  /// All connections of a party whose machine or process has ended; `end` says which side it is.
  void reset_all_of(const Peer& peer);
  /// A connection at random; 0: there is none.
  [[nodiscard]] ConnectionId any_connection();

  /// What `from` sends to `to` is held until as many unblock().
  void block(Party from, Party to) { ++blocked_[{from, to}]; }
  void unblock(Party from, Party to);
  [[nodiscard]] bool open(Party from, Party to) const { return !blocked_.contains({from, to}); }
  [[nodiscard]] bool open_both_ways(Party a, Party b) const { return open(a, b) && open(b, a); }
  /// Added to each delivery from one to the other, whichever way.
  void set_delay(Party a, Party b, Micros delay);
  [[nodiscard]] bool delayed(Party a, Party b) const { return delays_.contains(std::minmax(a, b)); }

  /// What happens to the next bytes that a server sends on a connection.
  enum class Damage : std::uint8_t { cut, junk, huge, deep };
  void damage_next(ConnectionId connection, Damage damage);

 private:
  struct Segment {
    Micros due = 0;
    bool end = false;
    std::string bytes;
  };
  struct Way {
    std::deque<Segment> under_way;
    bool closed = false;  ///< whoever sends here has hung up
    bool deaf = false;    ///< whoever receives here has
  };
  struct Connection {
    Party client_party = 0;
    Party server_party = 0;
    Peer* client = nullptr;
    Service* server = nullptr;
    bool established = false;
    std::array<Way, 2> ways;  ///< [0]: to the server; [1]: to the client
    std::optional<Damage> damage;
  };

  void knock(ConnectionId id);
  void deliver(ConnectionId id, bool to_client);
  void push(ConnectionId id, bool to_client, Segment segment);
  [[nodiscard]] Micros latency(Party a, Party b);
  [[nodiscard]] bool is_open(const Connection& connection, bool to_client) const {
    return to_client ? open(connection.server_party, connection.client_party)
                     : open(connection.client_party, connection.server_party);
  }

  World& world_;
  std::map<Party, Service*> services_;
  std::map<ConnectionId, Connection> connections_;
  std::map<std::pair<Party, Party>, unsigned> blocked_;
  std::map<std::pair<Party, Party>, Micros> delays_;
  ConnectionId last_ = 0;
};

}  // namespace tidegate::simulation
