// Marks what Callgrind counts.
#pragma once

#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>

namespace tidegate {

inline constexpr std::uint64_t kOperations = 1'000;

/// A path that was not taken must not be counted.
inline void require(bool taken, const char* name) {
  if (taken) return;
  fmt::print(stderr, "{}: the path to be measured was not taken\n", name);
  std::abort();
}

/// Does `operation(i)` for i from 0 to kOperations - 1, and dumps what that took under `name`. It
/// returns whether it went as it should.
template <class Operation>
void measure(const char* name, Operation&& operation) {
  bool right = true;
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (std::uint64_t i = 0; i < kOperations; ++i) right &= operation(i);
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name);
  require(right, name);
}

}  // namespace tidegate
