// The algorithms whose state is one word, chosen by the window.
#pragma once

#include "algo/fixed_window.hpp"
#include "algo/sliding_window_counter.hpp"
#include "algo/token_bucket.hpp"

namespace tidegate {

/// By `window.algorithm`. Not for sliding_window, whose state is a ring (see store/memory).
[[nodiscard]] inline Step step(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return token_bucket::step(window, word, now, cost);
    case Algorithm::sliding_window_counter:
      return sliding_window_counter::step(window, word, now, cost);
    case Algorithm::fixed_window:
      return fixed_window::step(window, word, now, cost);
    case Algorithm::sliding_window:
      break;
  }
  return {word, false};
}

[[nodiscard]] inline Quota inspect(const Window& window, Ticks word, Ticks now,
                                   std::uint64_t cost) {
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return token_bucket::inspect(window, word, now, cost);
    case Algorithm::sliding_window_counter:
      return sliding_window_counter::inspect(window, word, now, cost);
    case Algorithm::fixed_window:
      return fixed_window::inspect(window, word, now, cost);
    case Algorithm::sliding_window:
      break;
  }
  return {};
}

}  // namespace tidegate
