// Time as the engine counts it. No function under src/ reads a clock: `now` is always handed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace tidegate {

/// Microseconds since the Unix epoch, or a span of them.
using Micros = std::uint64_t;

/// Ticks of 1/5040 us since the Unix epoch, or a span of them. 5040 divides by 1 to 10, so that the
/// rates people write are whole numbers of ticks. 64 unsigned bits last until 2086.
using Ticks = std::uint64_t;

inline constexpr Ticks kTicksPerMicro = 5040;
inline constexpr Micros kMaxWindow_us = Micros{366} * 86'400 * 1'000'000;

/// The time of a decision by two clocks. Counts follow the one that their sharers agree on and that
/// no step moves; what others write down as a time, as in a token, is held against the wall clock.
struct Times {
  Micros now_us = 0;
  Micros wall_us = 0;
};

/// The latest time the engine decides at, a whole microsecond of the year 2081; later times are
/// taken as this one, so that adding a few windows to a time never overflows.
inline constexpr Ticks kLatest =
    (std::numeric_limits<Ticks>::max() / kTicksPerMicro - 4 * kMaxWindow_us) * kTicksPerMicro;

/// How far ahead of its clock a sharer of counts ever finds a time: what is written reaches less
/// than three windows ahead (the word of a sliding_window_counter); the other five years are for
/// clocks that have gone back.
inline constexpr Ticks kFurthestAhead = 8 * kMaxWindow_us * kTicksPerMicro;
/// Where times are given from outside, and may be any: nothing is too far ahead.
inline constexpr Ticks kAnyTime = std::numeric_limits<Ticks>::max();

/// True for a time so far ahead that nobody wrote it.
[[nodiscard]] constexpr bool is_junk(Ticks word, Ticks now, Ticks furthest = kFurthestAhead) {
  return word > now && word - now > furthest;
}

[[nodiscard]] constexpr Ticks ticks_from_micros(Micros us) {
  return us > kLatest / kTicksPerMicro ? kLatest : us * kTicksPerMicro;
}

/// A span that a configuration gives; not negative.
[[nodiscard]] constexpr Micros micros_of(std::chrono::microseconds span) {
  return static_cast<Micros>(span.count());
}

/// The sum, or the largest number there is.
[[nodiscard]] constexpr std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  return a + b < a ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

/// Rounded up: who waits that long is never early.
[[nodiscard]] constexpr Micros micros_ceil(Ticks ticks) {
  return ticks / kTicksPerMicro + (ticks % kTicksPerMicro != 0 ? 1 : 0);
}

}  // namespace tidegate
