#include "algo/fixed_window.hpp"

namespace tidegate::fixed_window {

Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const State state = read(window, word, now);
  const std::uint64_t left = remaining(window, state);
  const Micros until_end = micros_ceil(state.end - now);
  return {.remaining = left,
          .reset_us = state.count == 0 ? 0 : until_end,
          .retry_after_us = cost <= left ? 0 : until_end,
          .more_after_us = until_end};
}

}  // namespace tidegate::fixed_window
