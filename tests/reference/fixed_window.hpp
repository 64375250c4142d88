// Fixed windows as a map from the number of a window to what was taken in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "tests/reference/answer.hpp"

namespace tidegate::reference {

/// A request whose time lies before a window that was charged already is put to that window.
class FixedWindow {
 public:
  FixedWindow(std::uint64_t limit, std::uint64_t window_us)
      : limit_(limit), window_us_(window_us) {}

  [[nodiscard]] bool fits(std::uint64_t now_us, std::uint64_t cost) const {
    const auto found = taken_.find(number_at(now_us));
    return (found == taken_.end() ? 0 : found->second) + cost <= limit_;
  }
  void take(std::uint64_t now_us, std::uint64_t cost) {
    const std::uint64_t number = number_at(now_us);
    taken_[number] += cost;
    taken_.erase(taken_.begin(), taken_.find(number));  // never asked for again
  }

  [[nodiscard]] std::uint64_t capacity() const { return limit_; }
  [[nodiscard]] std::uint64_t span_us() const { return window_us_; }
  [[nodiscard]] std::uint64_t latest_us(std::uint64_t now_us) const {
    return taken_.empty() ? now_us : std::max(now_us, taken_.rbegin()->first * window_us_);
  }
  [[nodiscard]] FixedWindow seen_at(std::uint64_t) const { return *this; }
  friend bool operator==(const FixedWindow&, const FixedWindow&) = default;

 private:
  [[nodiscard]] std::uint64_t number_at(std::uint64_t now_us) const {
    return latest_us(now_us) / window_us_;
  }

  std::uint64_t limit_;
  std::uint64_t window_us_;
  std::map<std::uint64_t, std::uint64_t> taken_;
};

}  // namespace tidegate::reference
