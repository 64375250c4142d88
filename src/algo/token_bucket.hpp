// Token bucket as the generic cell rate algorithm (ITU-T I.371; ATM Forum Traffic Management 4.0):
// the whole state is the theoretical arrival time (TAT), the time at which the bucket is full
// again.
//
// Admits at most burst + floor(rate x t) in any interval t. A cost c weighs c x T ticks; it passes
// iff max(TAT, now) + c x T <= now + C. A TAT above now + C (another process saw a later time, or
// the burst was lowered) reads as now + C: the client waits, but no longer than for an empty
// bucket.
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
  // An admitted TAT was never cut down to now + C unless nothing is taken, so words only grow.
  if (tat > now + window.burst || cost == 0) return {word, tat <= now + window.burst};
  return {tat, true};
}

[[nodiscard]] Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost);

}  // namespace tidegate::token_bucket
