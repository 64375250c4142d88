// What the algorithms promise, checked on answers alone (docs/algorithms.md).
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "algo/window.hpp"

namespace tidegate::reference {

struct Grant {
  Micros at_us;
  std::uint64_t cost;
};

/// The most that may be admitted from one time to another, both included.
inline std::uint64_t bound(const Window& window, Micros from_us, Micros to_us) {
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t kAny = ~std::uint64_t{0};
  const Micros span_us = to_us - from_us;
  const bool same_window = from_us / window.window_us == to_us / window.window_us;
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return window.capacity +
             static_cast<std::uint64_t>(Wide{span_us} * window.limit / window.window_us);
    case Algorithm::sliding_window:
      return span_us < window.window_us ? window.limit : kAny;
    case Algorithm::sliding_window_counter:
      if (same_window) return window.limit;
      return span_us < window.window_us ? 2 * window.limit : kAny;
    case Algorithm::fixed_window:
      return same_window ? window.limit : kAny;
  }
  return 0;
}

inline void expect_within_bounds(const Window& window, const std::vector<Grant>& grants) {
  for (std::size_t first = 0; first < grants.size(); ++first) {
    std::uint64_t sum = 0;
    for (std::size_t last = first; last < grants.size(); ++last) {
      sum += grants[last].cost;
      ASSERT_LE(sum, bound(window, grants[first].at_us, grants[last].at_us))
          << "from " << grants[first].at_us << " to " << grants[last].at_us << " us";
    }
  }
}

}  // namespace tidegate::reference
