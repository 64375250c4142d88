// A simulated host: workers that decide through Redis, with the breaker and the memory they share.
// Guard, client, codec and the shared table are what users run.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/guard/guard.hpp"
#include "store/memory/store.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

class Host;

/// What all hosts are configured with.
struct Settings {
  RateLimitConfig config;
  std::uint32_t connections = 1;  ///< of a worker to one server
  redis::KeyNames names{"ratelimit", "sim"};
  std::vector<std::vector<Counter>> limits;  ///< of each group of clients
};

/// One process with one event loop. Its end is that of its process: nobody is told.
class Worker final : public redis::Network, private Peer, private GuardObserver {
 public:
  Worker(World& world, Fabric& fabric, Host& host, std::size_t number);
  ~Worker() override;

  struct Wanted {
    const Client* client = nullptr;
    std::uint64_t cost = 1;
  };
  /// Requests of one turn.
  void ask(const std::vector<Wanted>& requests);

 private:
  Worker(World& world, Fabric& fabric, Host& host, std::size_t number, std::uint64_t seed);

  struct Request;
  struct Line {
    redis::LinkId link = 0;
    Party party = 0;
    bool unfit = false;  ///< it was told that the server is
  };

  void open(redis::LinkId link, const redis::Endpoint& to) override;
  void write(redis::LinkId link, std::string_view bytes) override;
  void close(redis::LinkId link) override;
  void wake_at(Micros time) override;
  void on_connected(ConnectionId connection) override;
  void on_bytes(ConnectionId connection, std::string_view bytes) override;
  void on_closed(ConnectionId connection, bool refused) override;
  void on_exchange(redis::Operation, Micros) override {}
  void on_error(redis::Operation, redis::ErrorType) override {}
  void on_event(std::string_view event, std::string_view message) override;

  void conclude(Request& request, bool at_once);
  void check_call(Line& line);

  World& world_;
  Fabric& fabric_;
  Host& host_;
  std::uint64_t name_;  ///< for notes: ten times its host's, and its number
  std::map<ConnectionId, Line> lines_;
  std::map<redis::LinkId, ConnectionId> connections_;
  std::list<Request> requests_;
  std::deque<Micros> opened_;        ///< when, within the last second
  std::uint64_t highest_epoch_ = 0;  ///< of a master that was asked
  std::uint64_t wake_ = 0;           ///< number of the last that was asked for
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  redis::CheckCodec codec_;
  Guard guard_;
};

class Host {
 public:
  /// `find` gives the server of a party; null: it is a sentinel.
  using Find = std::function<const RedisNode*(Party)>;
  Host(World& world, Fabric& fabric, Ledger& ledger, const Settings& settings, Party party,
       std::size_t workers, std::int64_t skew, Find find);

  [[nodiscard]] Party party() const { return party_; }
  /// One clock of all its processes, which does not go back; hosts do not agree on it.
  [[nodiscard]] Micros clock() const { return world_.now() + static_cast<Micros>(skew_); }
  [[nodiscard]] std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }

  // What befalls it.
  /// Kills a worker; another takes its place.
  void replace_worker(std::size_t number);
  /// Loses its memory, the breaker too.
  void reboot();
  /// Since when it could know which master is the latest; 0: it cannot.
  Micros knows_since = 0;
  std::uint64_t latest_epoch = 0;

 private:
  friend class Worker;
  void set_up();

  World& world_;
  Fabric& fabric_;
  Ledger& ledger_;
  const Settings& settings_;
  Party party_;
  std::int64_t skew_;
  Find find_;
  std::size_t wanted_workers_;
  GuardMemory guards_{};
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
  std::vector<std::vector<Counter>> counters_;  ///< of the settings, bound to the memory
  std::unique_ptr<MemoryStore> store_;
  std::size_t outages_ = 0;  ///< that its log has begun and not ended
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace tidegate::simulation
