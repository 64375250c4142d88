// A simulated Redis server: its role, its replicas, its clock, and what may befall it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/redis/client.hpp"
#include "store/redis/network.hpp"
#include "store/redis/resp.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/keyspace.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

class RedisNode;

/// Counts that go on from one another: those of a server, or of a slot wherever it moves, up to
/// where they may have been lost.
using Count = std::pair<Party, std::uint64_t>;

/// Who is told what servers execute.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void on_executed(const Count& count, const Decided& decided) = 0;
};

/// What a cluster has a server answer.
class Sharding {
 public:
  virtual ~Sharding() = default;
  /// The error for a call with these keys; empty: the server may execute it.
  [[nodiscard]] virtual std::string refusal(const RedisNode& node,
                                            const std::vector<std::string>& keys,
                                            bool asking) const = 0;
  [[nodiscard]] virtual std::string slots_reply(const RedisNode& node) const = 0;
  [[nodiscard]] virtual Count count_of(const RedisNode& node, std::string_view key) = 0;
};

class RedisNode final : public Service {
 public:
  struct Options {
    bool keeps_data = false;            ///< over a restart
    std::uint32_t wanted_replicas = 0;  ///< min-replicas-to-write
    Micros lag = 1'000;                 ///< of replication, at most
    std::int64_t skew = 0;              ///< of its clock
  };
  /// How old what is heard of a replica may be: min-replicas-max-lag.
  static constexpr Micros kMaxLag = 2'000'000;

  RedisNode(World& world, Fabric& fabric, Witness& witness, Party party, const Options& options);

  [[nodiscard]] Party party() const { return party_; }
  [[nodiscard]] redis::Endpoint endpoint() const { return endpoint_of(party_); }
  static redis::Endpoint endpoint_of(Party party);
  static Party party_of(const redis::Endpoint& endpoint) { return endpoint.port; }

  /// Its clock.
  [[nodiscard]] Micros clock() const { return world_.now() + static_cast<Micros>(options_.skew); }
  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] bool serves() const { return alive_ && !paused_; }
  [[nodiscard]] bool is_master() const { return master_ == nullptr; }
  [[nodiscard]] bool follows(const RedisNode& master) const { return master_ == &master; }
  /// The failover that made it a master.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  /// Counts up whenever it may have forgotten what it had counted.
  [[nodiscard]] std::uint64_t era() const { return era_; }

  [[nodiscard]] bool loads() const { return world_.now() < loading_until_; }
  /// The error that a write ends in now; empty: none does.
  [[nodiscard]] std::string why_no_writes() const;

  void join(Sharding& cluster) { cluster_ = &cluster; }
  /// Null: it is a master itself.
  [[nodiscard]] RedisNode* master() const { return master_; }
  /// Whose place it took.
  [[nodiscard]] const RedisNode* replaces() const { return replaces_; }
  [[nodiscard]] bool reaches(const RedisNode& other) const;
  [[nodiscard]] bool holds(const std::string& key) const { return data_.contains(key); }
  /// Hands one key of a slot over to another server. False: there is none left.
  bool hand_over(redis::Slot slot, RedisNode& to);

  void lead(std::uint64_t epoch);
  void follow(RedisNode& master);
  /// Told by a sentinel: whoever talks to it may be cut off.
  void drop_clients() { fabric_.reset_all_of(*this); }

  // What befalls it.
  void kill();
  void start(Micros loading);
  void pause() { paused_ = true; }
  void resume();
  void jump(std::int64_t by);
  void set_full(bool full) { full_ = full; }
  void flush_scripts() { scripts_.clear(); }

  [[nodiscard]] Answer answer() const override {
    return alive_ ? Answer::accepts : Answer::refuses;
  }
  void on_connected(ConnectionId connection) override;
  void on_bytes(ConnectionId connection, std::string_view bytes) override;
  void on_closed(ConnectionId connection, bool refused) override;

 private:
  void take(ConnectionId connection, std::string_view bytes);
  [[nodiscard]] std::string execute(const std::vector<std::string>& words, bool asking);
  [[nodiscard]] std::string execute_script(const std::vector<std::string>& words, bool asking);
  void replicate(const std::string& key);
  void tend_replication();
  void synchronise();

  World& world_;
  Fabric& fabric_;
  Witness& witness_;
  Party party_;
  Options options_;
  bool alive_ = true;
  bool paused_ = false;
  bool full_ = false;
  Micros loading_until_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t era_ = 0;
  Keyspace data_;
  std::set<std::string> scripts_;
  std::map<ConnectionId, redis::ReplyReader> readers_;
  std::set<ConnectionId> asking_;  ///< where ASKING came last
  /// What arrived while it was stopped.
  std::deque<std::pair<ConnectionId, std::string>> inbox_;

  Sharding* cluster_ = nullptr;
  RedisNode* master_ = nullptr;
  const RedisNode* replaces_ = nullptr;
  std::vector<RedisNode*> replicas_;
  std::map<RedisNode*, Micros> heard_of_;  ///< by replica
  bool in_step_ = false;                   ///< with its master
  std::uint64_t stream_ = 0;               ///< which stream of its master it follows
  Micros applied_until_ = 0;
};

}  // namespace tidegate::simulation
