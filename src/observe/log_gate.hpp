// Lets one log line through for each client, rule and window, and counts those it holds back.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// Memory of fixed size, in sets of four: where more clients are rejected at once than it
/// remembers, it forgets the one whose window ends first, and a line more is written. One thread at
/// a time.
class LogGate {
 public:
  /// Keys the hash, so that nobody can aim at another's place.
  explicit LogGate(const HashKey& key) : key_(key) {}

  /// Nothing: hold this line back. Else how many were held back since the last line of this
  /// client under this rule; penalties have lines of their own. `decision` has a window that it
  /// speaks of.
  std::optional<std::uint64_t> pass(const Decision& decision);

 private:
  static constexpr std::size_t kSets = 1024;
  static constexpr std::size_t kWays = 4;
  struct Slot {
    std::uint64_t tag = 0;
    Micros until_us = 0;
    std::uint64_t held_back = 0;
  };

  HashKey key_;
  std::array<std::array<Slot, kWays>, kSets> sets_{};
};

}  // namespace tidegate
