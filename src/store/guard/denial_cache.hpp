// Denials that are remembered: an attack does not reach the store.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "store/charge.hpp"
#include "store/check.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// What a client was refused under one rule, until when, and what else he was told. Bounded: a
/// newer denial takes the place of an older one. Not thread-safe.
class DenialCache {
 public:
  /// Denials held at most.
  static constexpr std::size_t kSize = 4'096;
  /// No denial is remembered for longer: another host may have forgotten the client meanwhile.
  static constexpr Micros kLongest = 5'000'000;

  /// Whether a check would be denied without asking: it costs no less than what was denied, and
  /// waiting would not have helped yet. Fills in the verdicts.
  [[nodiscard]] bool denies(const Check& check, Micros now, std::span<Verdict> verdicts,
                            Cooldown& cooldown) const;
  /// Remembers an answer if it is a denial that will last.
  void note(const Check& check, Micros now, std::span<const Verdict> verdicts,
            const Cooldown& cooldown);
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    Hash128 group;  ///< of what is charged to whom
    std::uint64_t cost = 0;
    Micros asked = 0;
    Micros until = 0;
    Micros left = 0;        ///< from `asked` to the end of what it was denied for
    bool cooldown = false;  ///< it is one of penalties, whatever the cost
    std::array<Verdict, kMaxWindowsPerRule> verdicts;
  };
  std::vector<Entry> entries_;  ///< empty until the first denial
};

}  // namespace tidegate
