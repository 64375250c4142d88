// What tests may put between two steps of the protocol, and which of its parts they may leave out
// to see that the tests would notice. Production code runs with NoHooks, which costs nothing.
#pragma once

#include "store/memory/entry.hpp"

namespace tidegate {

struct NoHooks {
  /// Called wherever another process may come in between.
  static void step() {}
  static bool swap(Entry& entry, const Entry& seen, const Entry& next) {
    return compare_and_swap(entry, seen, next);
  }
  static constexpr bool kClaimsArePending = true;
  static constexpr bool kHorizon = true;
  static constexpr bool kUndoesExactly = true;
};

}  // namespace tidegate
