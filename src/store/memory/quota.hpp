// What callers are told, and steps on words: those of sliding_window, whose keys share a word where
// they have no log, among them.
#pragma once

#include <cstdint>

#include "algo/algorithms.hpp"
#include "store/memory/overflow.hpp"
#include "store/memory/ring.hpp"

namespace tidegate {

[[nodiscard]] inline Step step_word(const Window& window, Ticks word, Ticks now,
                                    std::uint64_t cost) {
  return window.algorithm == Algorithm::sliding_window ? log_overflow::step(window, word, now, cost)
                                                       : step(window, word, now, cost);
}

/// The quota of a word at time `at`, told from `now`.
[[nodiscard]] inline Quota quota_of(const Window& window, Ticks word, Ticks at, Ticks now,
                                    std::uint64_t cost) {
  Quota quota = window.algorithm == Algorithm::sliding_window
                    ? log_overflow::inspect(window, word, at, cost)
                    : inspect(window, word, at, cost);
  if (at > now) {
    const Micros later = micros_ceil(at - now);
    if (quota.reset_us != 0) quota.reset_us += later;
    if (quota.retry_after_us != 0) quota.retry_after_us += later;
    quota.more_after_us += later;
  }
  return quota;
}

/// A stamp may have been given back since it was looked at, and its time be past.
[[nodiscard]] inline Micros wait_until(Ticks until, Ticks now) {
  return until > now ? micros_ceil(until - now) : 0;
}

/// The quota of a log, told from `now`. `cost` is asked for and not admitted; 0: nothing is.
[[nodiscard]] inline Quota quota_of(const Ring& ring, const Ring::View& view, Ticks window,
                                    Ticks now, std::uint64_t cost) {
  const std::uint64_t left = ring.remaining(view, window);
  if (left == view.limit) {
    return {.remaining = left, .more_after_us = wait_until(view.now + window, now)};
  }
  return {.remaining = left,
          .reset_us = wait_until(ring.whole_at(view, window), now),
          .retry_after_us = cost == 0 ? 0 : wait_until(ring.admits_at(view, cost, window), now),
          .more_after_us = wait_until(ring.admits_at(view, left + 1, window), now)};
}

/// The same once `cost` has been taken: worked out from what was there before, for afterwards
/// others may have taken more.
[[nodiscard]] inline Quota quota_after(const Ring& ring, const Ring::View& view, std::uint64_t cost,
                                       Ticks window, Ticks now) {
  const std::uint64_t left = ring.remaining(view, window) - cost;
  const Micros own = wait_until(view.now + window, now);
  return {.remaining = left,
          .reset_us = own,
          .more_after_us = left + cost == view.limit
                               ? own
                               : wait_until(ring.admits_at(view, left + cost + 1, window), now)};
}

}  // namespace tidegate
