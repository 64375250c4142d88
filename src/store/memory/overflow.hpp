// The overflow entries: words that newcomers without room share, each with its rule's own limit.
#pragma once

#include <atomic>
#include <cstdint>

#include "algo/window.hpp"
#include "core/hash.hpp"
#include "core/time.hpp"
#include "store/charge.hpp"

namespace tidegate {

using OverflowWord = std::atomic<Ticks>;

/// The word that a key without room shares. Shares are handed out by the policy and checked by
/// bind.
[[nodiscard]] inline OverflowWord& overflow_word(OverflowWord* words, const Counter& counter,
                                                 std::uint64_t tag) {
  const std::uint64_t index = (tag >> 32) * counter.overflow_count >> 32;
  return words[counter.overflow_first + index];
}

/// sliding_window cannot keep its log in one word. Sharers of an overflow word are counted up to
/// the limit, and from one again only when a whole window has passed since the last admission:
/// stricter than a log, and never more than `limit` in any window.
///
/// word = (last admission + window), rounded up to 16384 ticks, + count; the limit is at most
/// 10,000.
namespace log_overflow {

inline constexpr Ticks kGrain = 16'384;

[[nodiscard]] inline std::uint64_t count_at(Ticks word, Ticks now) {
  return word > now ? word % kGrain : 0;
}

[[nodiscard]] inline Step step(const Window& window, Ticks word, Ticks now, std::uint64_t cost) {
  const std::uint64_t count = count_at(word, now) + cost;
  if (cost == 0 || count > window.limit) return {word, cost == 0};
  const Ticks quiet = (now + window.window + kGrain - 1) / kGrain * kGrain;
  const Ticks before = word - word % kGrain;
  return {(quiet < before ? before : quiet) + count, true};
}

[[nodiscard]] inline Quota inspect(const Window& window, Ticks word, Ticks now,
                                   std::uint64_t cost) {
  const std::uint64_t count = count_at(word, now);
  const std::uint64_t left = count < window.limit ? window.limit - count : 0;
  const Micros wait = word > now ? micros_ceil(word - now) : 0;
  return {.remaining = left,
          .reset_us = wait,
          .retry_after_us = cost <= left ? 0 : wait,
          .more_after_us = left == 0 ? wait : window.window_us};
}

}  // namespace log_overflow

}  // namespace tidegate
