// What goes to a store and what comes back: the same for memory and Redis.
#pragma once

#include <cstdint>

#include "algo/window.hpp"
#include "core/hash.hpp"

namespace tidegate {

/// One window to which costs are charged, as the store knows it. Lives as long as the policy.
struct Counter {
  Window window;
  Hash128 key;                       ///< names (namespace, rule, algorithm, window); mixed with the client's hash
  std::uint8_t place = 0;            ///< number of the window within its rule, below kMaxWindowsPerRule
  std::uint32_t overflow_first = 0;  ///< this window's share of the overflow entries
  std::uint32_t overflow_count = 0;  ///< at least 4 once placed
  std::uint32_t ring_set = 0;        ///< sliding_window: which set of rings
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
