#include "algo/token_bucket.hpp"

namespace tidegate::token_bucket {

Quota inspect(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const Ticks tat = tat_at(window, word, now);
  const Ticks full = now + window.burst;
  const Ticks wanted = tat + cost * window.period;
  return {.remaining = (full - tat) / window.period,
          .reset_us = micros_ceil(tat - now),
          .retry_after_us = wanted > full ? micros_ceil(wanted - full) : 0};
}

}  // namespace tidegate::token_bucket
