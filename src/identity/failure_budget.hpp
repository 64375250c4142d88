// How many bad tokens of one address are read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/time.hpp"

namespace tidegate {

/// Counts failures of addresses by the second, in memory of fixed size. What an address has
/// failed stands in a set of four that a keyed hash chooses; whoever comes when all four are taken
/// replaces the one that has failed longest ago, or least. So no address spends what is another's:
/// a flood of addresses can at most make the limiter forget. Any number of threads.
class FailureBudget {
 public:
  explicit FailureBudget(std::uint32_t max_a_second);

  /// Whether nothing is left within this second. `address` is a keyed hash.
  [[nodiscard]] bool spent(std::uint64_t address, Micros now_us) const;
  void spend(std::uint64_t address, Micros now_us, std::uint32_t failures);

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kSets = 4'096;
  using Slot = std::atomic<std::uint64_t>;  // tag, second, count

  std::uint32_t max_a_second_;
  mutable std::vector<Slot> slots_;
};

}  // namespace tidegate
