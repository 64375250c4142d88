// A simulated cluster: masters with their slots, replicas that take over, slots that move while it
// serves, and a map that each server has from those it hears.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/redis/client.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

class Cluster final : public Sharding {
 public:
  static constexpr std::size_t kMasters = 3;
  /// So long nobody may be heard of before he is given up.
  static constexpr Micros kNodeTimeout = 1'000'000;

  /// The first half of `nodes` are masters, each with a replica in the second.
  Cluster(World& world, std::vector<std::unique_ptr<RedisNode>>& nodes);

  [[nodiscard]] std::string refusal(const RedisNode& node, const std::vector<std::string>& keys,
                                    bool asking) const override;
  [[nodiscard]] std::string slots_reply(const RedisNode& node) const override;
  [[nodiscard]] Count count_of(const RedisNode& node, std::string_view key) override;

  /// Moves a slot to another master, a key at a time.
  void move(redis::Slot slot);
  /// All know one map, whose masters serve.
  [[nodiscard]] bool agrees() const;
  [[nodiscard]] std::uint64_t elections() const { return elections_; }

 private:
  /// Who has which slots, as it was at a time.
  struct Map {
    std::uint64_t version = 0;
    std::vector<RedisNode*> owners;   ///< by slot
    std::vector<RedisNode*> masters;  ///< those that own any
  };
  struct Moving {
    RedisNode* from = nullptr;
    RedisNode* to = nullptr;
  };

  void tick();
  void notice_losses(const RedisNode& node);
  void hear();
  void elect();
  void take_over(RedisNode& replica, const RedisNode& master);
  void step(redis::Slot slot);
  void publish(RedisNode& by, std::vector<RedisNode*> owners);
  [[nodiscard]] const Map& map_of(const RedisNode& node) const { return *maps_.at(&node); }
  [[nodiscard]] bool misses(const RedisNode& a, const RedisNode& b) const;
  /// How many owners have missed a server for too long.
  [[nodiscard]] std::size_t missed_by(const RedisNode& node) const;

  World& world_;
  std::vector<std::unique_ptr<RedisNode>>& nodes_;
  std::shared_ptr<const Map> newest_;
  std::map<const RedisNode*, std::shared_ptr<const Map>> maps_;
  std::map<std::pair<Party, Party>, Micros> missed_since_;
  std::map<redis::Slot, Moving> moving_;
  bool electing_ = false;
  std::uint64_t elections_ = 0;
  /// By slot: counts up whenever its counts may have been lost.
  std::map<redis::Slot, std::uint64_t> lines_;
  std::map<const RedisNode*, std::uint64_t> eras_;
};

}  // namespace tidegate::simulation
