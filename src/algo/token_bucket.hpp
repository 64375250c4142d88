// Token bucket as the generic cell rate algorithm (ITU-T I.371; ATM Forum Traffic Management 4.0,
// virtual scheduling): the whole state is the theoretical arrival time (TAT), the time at which the
// bucket is full again.
//
// T = ceil(window / limit) is what one unit weighs in ticks, C = burst x T the whole bucket.
// A cost c passes iff max(TAT, now) + c x T <= now + C, and moves TAT there. A TAT above now + C
// (another process saw a later time, or the burst was lowered) reads as now + C: an empty bucket.
//
// Invariant: every admission ends with TAT <= now + C, and TAT grows by at least c x T with each.
// So the costs admitted at times in [a, b] weigh at most (b + C) - a, in whatever order the clocks
// say they came: at most burst + floor(rate x (b - a)).
#pragma once

#include <algorithm>

#include "algo/window.hpp"

namespace tidegate::token_bucket {

/// The TAT that a word stands for at `now`: between now (full) and now + C (empty).
[[nodiscard]] inline Ticks tat_at(const Window& window, Ticks word, Ticks now) {
  return std::clamp(word, now, now + window.burst);
}

[[nodiscard]] inline Step step(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const Ticks tat = tat_at(window, word, now) + cost * window.period;
  // A TAT that was cut down to now + C has no room for any cost: what is written is never below the
  // old word.
  if (cost == 0 || tat > now + window.burst) return {word, cost == 0};
  return {tat, true};
}

[[nodiscard]] inline Quota inspect(const Window& window, Ticks word, Ticks now,
                                   std::uint64_t cost) {
  const Ticks tat = tat_at(window, word, now);
  const Ticks full = now + window.burst;
  const Ticks room = full - tat;
  const Ticks wanted = cost * window.period;
  return {.remaining = room / window.period,
          .reset_us = micros_ceil(tat - now),
          .retry_after_us = wanted > room ? micros_ceil(wanted - room) : 0,
          .more_after_us = micros_ceil(window.period - room % window.period)};
}

}  // namespace tidegate::token_bucket
