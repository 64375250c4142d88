// Fixed windows [kW, (k+1)W) from the Unix epoch: at most `limit` in each.
//
// word = end of the window of the last charge + count, in ticks. The count is at most a million a
// second, far below the ticks of a window, so both can be read back, and the entry counts as live
// for less than one window too long. A word of a later window moves time forward to its start: a
// process whose time is late does not open the old window again.
//
// Invariant: within a window the count only grows and never beyond `limit`; between windows the end
// only grows.
#pragma once

#include <algorithm>

#include "algo/window.hpp"

namespace tidegate::fixed_window {

struct State {
  Ticks end = 0;            ///< of the window that is charged
  std::uint64_t count = 0;  ///< units taken in it
};

[[nodiscard]] inline State read(const Window& window, Ticks word, Ticks now) {
  const Ticks end = now - now % window.window + window.window;
  const Ticks count = word % window.window;
  const Ticks charged_end = word - count;
  return charged_end >= end ? State{charged_end, count} : State{end, 0};
}

/// What may still be taken. None where the limit was lowered below the count.
[[nodiscard]] inline std::uint64_t remaining(const Window& window, const State& state) {
  return window.limit - std::min(window.limit, state.count);
}

[[nodiscard]] inline Step step(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const State state = read(window, word, now);
  if (cost == 0 || cost > remaining(window, state)) return {word, cost == 0};
  const Ticks next = state.end + state.count + cost;
  // Only a word that nobody wrote is so late that the sum has no room: it must not stay as it is.
  if (next < word) return {word, false};
  return {next, true};
}

[[nodiscard]] inline Quota inspect(const Window& window, Ticks word, Ticks now,
                                   std::uint64_t cost) {
  const State state = read(window, word, now);
  const std::uint64_t left = remaining(window, state);
  const Micros until_end = micros_ceil(state.end - now);
  return {.remaining = left,
          .reset_us = state.count == 0 ? 0 : until_end,
          .retry_after_us = cost <= left ? 0 : until_end,
          .more_after_us = until_end};
}

}  // namespace tidegate::fixed_window
