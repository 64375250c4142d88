// What goes wrong in a run: chosen by its seed, each for a while, all over at a given time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/simulation/cluster.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/host.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/sentinels.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

enum class Fault : std::uint8_t {
  slow_path,
  cut_path,
  cut_one_way,
  reset,
  damaged_reply,
  pause,
  restart,
  clock_jump,
  full_memory,
  forgotten_scripts,
  split,
  lost_sentinel,
  moving_slot,
  dead_worker,
  reboot,
};
inline constexpr std::size_t kFaults = 15;
[[nodiscard]] std::string_view to_string(Fault fault);

/// Whom faults may befall.
struct Cast {
  std::vector<std::unique_ptr<Host>>& hosts;
  std::vector<std::unique_ptr<RedisNode>>& nodes;
  Sentinels* sentinels = nullptr;  ///< null: there are none
  Cluster* cluster = nullptr;      ///< null: it is none
  std::vector<redis::Slot> slots;  ///< of a cluster, that are asked for
};

class Faults {
 public:
  Faults(World& world, Fabric& fabric, Cast cast)
      : world_(world), fabric_(fabric), cast_(std::move(cast)) {}

  /// Plans faults from `first` on; gives when the last of them is over.
  Micros plan(Micros first, Micros last, std::size_t faults);
  [[nodiscard]] const std::array<std::uint64_t, kFaults>& counts() const { return counts_; }
  /// How far clocks of servers have jumped in all; with a failover, forward is back.
  [[nodiscard]] Micros jumped() const { return jumped_; }
  [[nodiscard]] bool jumped_back() const { return jumped_back_; }

 private:
  void inject(Fault fault, Micros duration);
  void cut(Party a, Party b, bool both_ways, Micros duration);
  void split(Micros duration);
  [[nodiscard]] RedisNode& any_node() { return *world_.one_of(cast_.nodes); }
  [[nodiscard]] Host& any_host() { return *world_.one_of(cast_.hosts); }
  /// Whom hosts talk to: a server or a sentinel.
  [[nodiscard]] Party any_server();

  World& world_;
  Fabric& fabric_;
  Cast cast_;
  std::array<std::uint64_t, kFaults> counts_{};
  Micros jumped_ = 0;
  bool jumped_back_ = false;
};

}  // namespace tidegate::simulation
