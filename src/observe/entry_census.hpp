// How many entries are in use, counted a part at a time: looking at every slot of a table of 32 MB
// takes milliseconds, in which a server would decide nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/time.hpp"
#include "tidegate/function_ref.hpp"

namespace tidegate {

/// Remembers the count of each part; a count is never older than kLife_us after a refresh. One
/// thread at a time.
class EntryCensus {
 public:
  static constexpr Micros kLife_us = 8'000'000;

  /// For a table of `capacity` entries, at least 1.
  explicit EntryCensus(std::uint64_t capacity);

  /// Counts anew as many parts as the time since the last refresh asks for: all of them the first
  /// time and after a long while, one or few of them for whoever comes once a second. `count` gives
  /// the live entries in part `part` of `parts`.
  void refresh(Micros now_us,
               FunctionRef<std::uint64_t(std::size_t part, std::size_t parts)> count);
  [[nodiscard]] std::uint64_t entries() const;
  [[nodiscard]] std::size_t parts() const { return counted_.size(); }

 private:
  std::vector<std::uint64_t> counted_;
  std::size_t next_ = 0;
  Micros refreshed_us_ = 0;  ///< 0: never
};

}  // namespace tidegate
