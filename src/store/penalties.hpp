// Progressive penalties: whoever is rejected again and again is locked out for a while.
//
// A rejection is a violation unless the client had one under the same rule within the window that
// rejected it. Violations are counted from the first for the detection window, then anew. The n-th,
// n >= threshold, starts a cooldown of that window times multipliers[n - threshold], or the last of
// them. Three kinds of words keep this, each the time from which on it equals never-seen:
//
//   mark      of a client and rule: the last violation + the window
//   count     of a client: the first violation + the detection window, rounded up to a microsecond,
//             + the violations since
//   cooldown  of a client: its end
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "store/charge.hpp"

namespace tidegate {

/// Compiled from the configuration. Immutable.
struct Penalties {
  Ticks detection = 0;          ///< how long violations are counted
  std::uint64_t threshold = 1;  ///< the violation that starts the first cooldown
  std::vector<std::uint32_t> multipliers{1};
  Hash128 count_key;  ///< mixed with the client's hash, names his count
  Hash128 cooldown_key;
};

/// What penalties did to a request.
struct Cooldown {
  bool refused = false;  ///< it was refused by a cooldown: nothing was charged
  Micros left_us = 0;    ///< of the cooldown that refused it, or that its own rejection started
};

namespace penalty {

/// Names the marks of a counter's rule.
[[nodiscard]] inline Hash128 mark_key(const Counter& counter) {
  return {counter.key.high * 0x9e37'79b9'7f4a'7c15 + 0x7065'6e61'6c74'7931, counter.key.high};
}

/// Counts stop where more would change nothing.
[[nodiscard]] inline std::uint64_t last_count(const Penalties& penalties) {
  return penalties.threshold + penalties.multipliers.size() - 1;
}

[[nodiscard]] inline std::uint64_t count_of(Ticks word) { return word % kTicksPerMicro; }

/// The count's word after one violation more at time `now`. Never below `word`. Nothing if the
/// count has begun later than that: whoever was stopped since his violation does not count in a
/// period that it does not belong to.
[[nodiscard]] inline std::optional<Ticks> count_violation(const Penalties& penalties, Ticks word,
                                                          Ticks now) {
  const Ticks until = word - count_of(word);
  const Ticks end = micros_ceil(now + penalties.detection) * kTicksPerMicro;
  if (until <= now) return end + 1;
  if (until > end) return std::nullopt;
  return word + (count_of(word) < last_count(penalties) ? 1 : 0);
}

/// How long the cooldown is that violation number `count` of a window starts; 0: none. At most 366
/// days.
[[nodiscard]] inline Ticks cooldown_of(const Penalties& penalties, std::uint64_t count,
                                       Ticks window) {
  if (count < penalties.threshold) return 0;
  const std::size_t step =
      std::min<std::size_t>(count - penalties.threshold, penalties.multipliers.size() - 1);
  constexpr Ticks kLongest = kMaxWindow_us * kTicksPerMicro;
  const std::uint64_t multiplier = penalties.multipliers[step];
  return multiplier > kLongest / window ? kLongest : multiplier * window;
}

}  // namespace penalty
}  // namespace tidegate
