// Sliding window by two counters: the count of the current fixed window, plus the count of the
// previous one weighed by how much of it the sliding window still covers.
//
// Weighing is done in whole slices of u microseconds, n = ceil(W/u) (4096 or a little less) to a
// window, so that every product stays below 2^53 and Lua's doubles give the same answers:
// q = ceil((W - elapsed)/u), w = previous x q; the previous window weighs 0 if 2w < n, else
// ceil(w/n). Rounding up alone would cost a client that never stops one unit a window: half of its
// rate at limit 1.
//
// word = (k + 2) W + current x R + previous, k the number of the window of the last charge, R the
// integer square root of W in ticks: (k + 2) W is when nothing of it weighs any more. Both counts
// are below R, so both can be read back. R depends on W alone: counts survive a change of limit. A
// word of a later window moves time forward to its start.
//
// Invariant: no fixed window counts more than `limit`, and a window of length W touches two of
// them: at most 2 x limit in any window. A client that never stops gets `limit` a window on
// average.
#pragma once

#include <algorithm>

#include "algo/window.hpp"

namespace tidegate::sliding_window_counter {

struct State {
  Ticks start = 0;             ///< of the current window
  Ticks now = 0;               ///< the time used: not before `start`
  std::uint64_t current = 0;   ///< units taken in the current window
  std::uint64_t previous = 0;  ///< units taken in the one before
};

[[nodiscard]] inline State read(const Window& window, Ticks word, Ticks now) {
  const Ticks number = now / window.window;
  const Ticks word_number = word / window.window;  // k + 2
  const Ticks counts = word % window.window;
  if (word_number < number + 1) return {number * window.window, now, 0, 0};
  if (word_number == number + 1) {
    return {number * window.window, now, 0, counts / window.radix};
  }
  const Ticks start = (word_number - 2) * window.window;
  return {start, word_number == number + 2 ? now : start, counts / window.radix,
          counts % window.radix};
}

/// What the previous window weighs at the state's time, in units.
[[nodiscard]] inline std::uint64_t weight(const Window& window, const State& state) {
  if (state.previous == 0) return 0;
  const Micros elapsed_us = (state.now - state.start) / kTicksPerMicro;
  const std::uint64_t covered =
      (window.window_us - elapsed_us + window.slice_us - 1) / window.slice_us;
  const std::uint64_t weighed = state.previous * covered;
  return 2 * weighed < window.slices ? 0 : (weighed + window.slices - 1) / window.slices;
}

[[nodiscard]] inline std::uint64_t used(const Window& window, const State& state) {
  return state.current + weight(window, state);
}

/// What may still be taken. None where the limit was lowered below what is used.
[[nodiscard]] inline std::uint64_t remaining(const Window& window, const State& state) {
  return window.limit - std::min(window.limit, used(window, state));
}

[[nodiscard]] inline Step step(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const State state = read(window, word, now);
  if (cost == 0 || cost > remaining(window, state)) return {word, cost == 0};
  const Ticks gone = state.start + 2 * window.window;
  const Ticks next = gone + (state.current + cost) * window.radix + state.previous;
  // Only a word that nobody wrote is so late that the sum has no room: it must not stay as it is.
  if (next < word) return {word, false};
  return {next, true};
}

[[nodiscard]] Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost);

}  // namespace tidegate::sliding_window_counter
