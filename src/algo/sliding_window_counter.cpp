#include "algo/sliding_window_counter.hpp"

namespace tidegate::sliding_window_counter {
namespace {

/// How far into a window the weight of `previous` units first is at most `allowed`: the window's
/// length if only then.
Ticks elapsed_until_weight(const Window& window, std::uint64_t previous, std::uint64_t allowed) {
  if (previous == 0) return 0;
  // The weight is at most 0 while 2w < n, else at most a while w <= a x n; w = previous x q.
  const std::uint64_t weighed = allowed == 0 ? (window.slices - 1) / 2 : allowed * window.slices;
  // q slices are what (q - 1) x u < W - elapsed <= q x u is rounded up to.
  const Micros covered_us = std::min(weighed / previous, window.slices) * window.slice_us;
  return (window.window_us - std::min(covered_us, window.window_us)) * kTicksPerMicro;
}

/// When `cost`, at least 1, would be admitted if nobody else asked; it must fit into the limit.
Ticks admits_at(const Window& window, const State& state, std::uint64_t cost) {
  if (state.current + cost <= window.limit) {
    const std::uint64_t allowed = window.limit - state.current - cost;
    return state.start + elapsed_until_weight(window, state.previous, allowed);
  }
  // In the next window what is current now has become the previous.
  return state.start + window.window +
         elapsed_until_weight(window, state.current, window.limit - cost);
}

/// When nothing weighs any more, where something does: the current window's units last longest.
Ticks whole_at(const Window& window, const State& state) {
  return state.current != 0
             ? state.start + window.window + elapsed_until_weight(window, state.current, 0)
             : state.start + elapsed_until_weight(window, state.previous, 0);
}

}  // namespace

Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const State state = read(window, word, now);
  const std::uint64_t left = remaining(window, state);
  State spent = state;
  spent.current += left;
  return {.remaining = left,
          .reset_us = left == window.limit ? 0 : micros_ceil(whole_at(window, state) - now),
          .retry_after_us = cost <= left ? 0 : micros_ceil(admits_at(window, state, cost) - now),
          .more_after_us = micros_ceil(admits_at(window, spent, 1) - now)};
}

}  // namespace tidegate::sliding_window_counter
