// Which parts of a region are free, while shares of it are handed out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

namespace tidegate {

/// A region of `size` units, all free at first.
class FreeSpace {
 public:
  explicit FreeSpace(std::uint64_t size) : left_(size) {
    if (size != 0) free_.emplace(0, size);
  }

  [[nodiscard]] std::uint64_t left() const { return left_; }
  /// The most that can be had in one piece.
  [[nodiscard]] std::uint64_t largest() const {
    std::uint64_t most = 0;
    for (const auto& [first, count] : free_) most = std::max(most, count);
    return most;
  }

  /// What of these units is still free is not any more.
  void take(std::uint64_t first, std::uint64_t count) {
    const std::uint64_t end = first + count;
    auto at = free_.upper_bound(first);
    if (at != free_.begin()) --at;
    while (at != free_.end() && at->first < end) {
      const std::uint64_t from = at->first;
      const std::uint64_t to = from + at->second;
      if (to <= first) {
        ++at;
        continue;
      }
      at = free_.erase(at);
      left_ -= std::min(to, end) - std::max(from, first);
      if (from < first) free_.emplace(from, first - from);
      if (to > end) at = std::next(free_.emplace(end, to - end).first);
    }
  }

  /// The first units of the first piece that is large enough, taken.
  std::optional<std::uint64_t> allocate(std::uint64_t count) {
    for (const auto& [first, size] : free_) {
      if (size < count) continue;
      const std::uint64_t found = first;
      take(found, count);
      return found;
    }
    return std::nullopt;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> free_;  ///< first unit, and how many
  std::uint64_t left_;
};

}  // namespace tidegate
