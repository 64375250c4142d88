// One window of one rule with everything its algorithm needs worked out once, and what every
// algorithm offers. The algorithms are pure: word and time in, word and verdict out.
//
// A word is 64 bits and is the time (in ticks) at which the state equals never-seen. So "is this
// entry free?" is `word <= now` for every algorithm, without knowing the rule. 0 is never-seen.
#pragma once

#include <cstdint>

#include "core/time.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// A window ready for use. Made by make_window; immutable afterwards.
struct Window {
  Algorithm algorithm = Algorithm::sliding_window_counter;
  std::uint64_t limit = 0;  ///< units per window, 0 to 10^9
  std::uint64_t capacity =
      0;                 ///< the largest cost that can ever pass: burst of a bucket, else limit
  Micros window_us = 0;  ///< 1'000 to kMaxWindow_us
  Ticks window = 0;      ///< the same in ticks

  // token_bucket
  Ticks period = 0;  ///< T: ticks one unit weighs
  Ticks burst = 0;   ///< C = capacity x T

  // sliding_window_counter
  std::uint64_t radix = 0;   ///< R: base of the two counts in a word
  Micros slice_us = 0;       ///< u: the unit in which elapsed time weighs
  std::uint64_t slices = 0;  ///< n: slices in a window

  friend bool operator==(const Window&, const Window&) = default;
};

/// Precondition: `config` is valid (see validate in config/). For limit 0 only limit, capacity and
/// window are filled in: such a window never reaches a step.
[[nodiscard]] Window make_window(Algorithm algorithm, const WindowConfig& config);

struct Step {
  Ticks word = 0;  ///< the new word; the old one where not admitted
  bool admitted = false;
};

/// What a caller may be told after a decision; spans of time from the `now` that was asked with,
/// rounded up, so that whoever waits that long is never early.
struct Quota {
  std::uint64_t remaining = 0;  ///< units that would still be admitted now
  Micros reset_us = 0;          ///< until the whole allowance is back
  Micros retry_after_us = 0;    ///< until the asked cost would be admitted; 0 if it would be now
  /// How long `remaining` has to last: until one unit more would be admitted to somebody who takes
  /// all that remains at once.
  Micros more_after_us = 0;
};

// Each algorithm has a header of its own, and algorithms.hpp chooses between them; its whole state
// is one word. `word` may lie in the future (another process saw a later time): see each algorithm
// for how that is read. `now` is at most kLatest, `cost` 0 to capacity; cost 0 looks, is always
// admitted and takes nothing. A step never returns a word below the one it was given: words only
// grow, whatever the clocks do. Any word is survived, one that nobody wrote too; then only "no
// undefined behaviour" is promised.

}  // namespace tidegate
