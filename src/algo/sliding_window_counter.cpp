#include "algo/sliding_window_counter.hpp"

#include <algorithm>

namespace tidegate::sliding_window_counter {
namespace {

/// How far into a window (microseconds) the weight of `previous` units first is at most `allowed`.
Micros elapsed_until_weight(const Window& window, std::uint64_t previous, std::uint64_t allowed) {
  if (previous == 0) return 0;
  // weight <= 0 iff 2w < n; weight <= a iff w <= a x n. w = previous x q, and q covers (q -
  // 1)u..qu.
  const std::uint64_t weighed = allowed == 0 ? (window.slices - 1) / 2 : allowed * window.slices;
  const std::uint64_t covered = std::min(weighed / previous, window.slices);
  const Micros still_covered_us = covered * window.slice_us;
  return still_covered_us >= window.window_us ? 0 : window.window_us - still_covered_us;
}

/// The time at which `cost` would pass if nobody else asked; the cost must fit into the limit.
Ticks retry_at(const Window& window, const State& state, std::uint64_t cost) {
  if (state.current + cost <= window.limit) {
    const Micros wait =
        elapsed_until_weight(window, state.previous, window.limit - state.current - cost);
    return std::max(state.now, state.start + wait * kTicksPerMicro);
  }
  // In the next window what is current now has become the previous.
  const Micros wait = elapsed_until_weight(window, state.current, window.limit - cost);
  return state.start + window.window + wait * kTicksPerMicro;
}

}  // namespace

Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const State state = read(window, word, now);
  const std::uint64_t used = state.current + weight(window, state);
  // Whole again: when what counts longest, the current window or else the previous, weighs nothing.
  const Ticks reset_at =
      state.current != 0
          ? state.start + window.window +
                elapsed_until_weight(window, state.current, 0) * kTicksPerMicro
          : std::max(state.now, state.start + elapsed_until_weight(window, state.previous, 0) *
                                                  kTicksPerMicro);
  const bool passes = used + cost <= window.limit;
  return {.remaining = used < window.limit ? window.limit - used : 0,
          .reset_us = micros_ceil(reset_at - now),
          .retry_after_us = passes ? 0 : micros_ceil(retry_at(window, state, cost) - now)};
}

}  // namespace tidegate::sliding_window_counter
