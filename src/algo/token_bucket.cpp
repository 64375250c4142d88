#include "algo/token_bucket.hpp"

namespace tidegate::token_bucket {

Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
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
