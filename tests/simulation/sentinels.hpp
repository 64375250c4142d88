// Simulated sentinels: each sees what it can reach; most of them together elect another master.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/redis/resp.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

/// One of them.
class Sentinel final : public Service {
 public:
  Sentinel(Fabric& fabric, Party party) : fabric_(fabric), party_(party) {
    fabric.add(party, *this);
  }

  [[nodiscard]] Party party() const { return party_; }
  [[nodiscard]] Answer answer() const override { return alive ? Answer::accepts : Answer::refuses; }
  void on_connected(ConnectionId connection) override { readers_.try_emplace(connection); }
  void on_bytes(ConnectionId connection, std::string_view bytes) override;
  void on_closed(ConnectionId connection, bool) override { readers_.erase(connection); }

  bool alive = true;
  RedisNode* master = nullptr;  ///< that it knows
  std::uint64_t epoch = 0;      ///< of the failover that made it so
  Micros missed_since = 0;      ///< it has not reached the master; 0: it reaches it

 private:
  [[nodiscard]] std::string execute(const std::vector<std::string>& words) const;

  Fabric& fabric_;
  Party party_;
  std::map<ConnectionId, redis::ReplyReader> readers_;
};

class Sentinels {
 public:
  static constexpr std::string_view kService = "mymaster";
  struct Options {
    Micros down_after = 500'000;
    Micros election = 300'000;  ///< how long it takes, at most
    Micros mercy = 2'000'000;   ///< until a former master is told to follow, at most
  };

  Sentinels(World& world, Fabric& fabric, std::vector<std::unique_ptr<RedisNode>>& nodes,
            const std::vector<Party>& parties, const Options& options);

  [[nodiscard]] const std::vector<std::unique_ptr<Sentinel>>& all() const { return sentinels_; }
  [[nodiscard]] std::uint64_t elections() const { return elections_; }
  /// All know of one master, which serves, and nobody else takes himself for one.
  [[nodiscard]] bool agree() const;
  /// The latest that was elected.
  [[nodiscard]] RedisNode& latest() const;

 private:
  void tick();
  void watch(Sentinel& sentinel);
  void consider_election();
  void elect(const std::vector<Sentinel*>& voters);
  void correct(const Sentinel& sentinel);
  [[nodiscard]] bool reaches(const Sentinel& sentinel, const RedisNode& node) const {
    return node.serves() && fabric_.open_both_ways(sentinel.party(), node.party());
  }

  World& world_;
  Fabric& fabric_;
  std::vector<std::unique_ptr<RedisNode>>& nodes_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;
  Options options_;
  bool electing_ = false;
  std::uint64_t elections_ = 0;
  std::map<const RedisNode*, Micros> demoted_at_;  ///< those that are to follow, and when
};

}  // namespace tidegate::simulation
