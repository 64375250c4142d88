// What goes to a store and what comes back: the same for memory and Redis.
#pragma once

#include <cstdint>
#include <string_view>

#include "algo/window.hpp"
#include "core/hash.hpp"

namespace tidegate {

/// The overflow entries are divided evenly among the counters in force, within these bounds.
inline constexpr std::uint32_t kOverflowEntries = 131'072;
inline constexpr std::uint32_t kMaxOverflowPerWindow = 4'096;
inline constexpr std::uint32_t kMinOverflowPerWindow = 4;

/// One window to which costs are charged, as the store knows it. Lives as long as the policy.
struct Counter {
  Window window;
  /// Names (namespace, rule, algorithm, window); mixed with the client's hash. `high` names the
  /// rule alone. Tiers are no part of it: limits of two tiers with equal keys are one count, and
  /// share everything below.
  Hash128 key;
  std::string_view rule_name = {};  ///< lives as long as the policy
  std::uint32_t rule = 0;  ///< number of the rule within its policy: counters of one rule share it
  std::uint8_t place = 0;  ///< number of the window within its rule, below kMaxWindowsPerRule
  std::uint32_t overflow_first = 0;  ///< this window's share of the overflow entries
  std::uint32_t overflow_count = 0;  ///< at least 4 once placed
  std::uint32_t ring_set = 0;        ///< sliding_window: which set of rings, counted from 0
  /// sliding_window: stamps that a ring of the set holds, at least 1: the largest limit under this
  /// key. A smaller limit looks at the stamp that many back in the same ring, so that a change of
  /// tier opens no second allowance. 0 for other algorithms.
  std::uint32_t ring_slots = 0;
};

/// One (counter, client, cost). The charges of one request are one group: all or nothing.
struct Charge {
  const Counter* counter = nullptr;
  Hash128 client;          ///< keyed hash of the client's text
  std::uint64_t cost = 1;  ///< 0 looks and takes nothing; at most the window's capacity
};

/// Answer to one charge. In a group that was rejected nothing was taken anywhere: the charges with
/// `admitted` false are those that said no.
struct Verdict {
  bool admitted = false;
  Quota quota;  ///< after the decision
};

}  // namespace tidegate
