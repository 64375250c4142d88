// Two counters, as a map from the number of a window to what was taken in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "tests/reference/answer.hpp"

namespace tidegate::reference {

/// The weight of the previous window as the documentation defines it, step by step. A request whose
/// time lies before a window that was charged already is put to the start of that window.
class SlidingWindowCounter {
 public:
  SlidingWindowCounter(std::uint64_t limit, std::uint64_t window_us)
      : limit_(limit),
        window_us_(window_us),
        u_(ceil_of(window_us, 4096)),
        n_(ceil_of(window_us, u_)) {}

  [[nodiscard]] bool fits(std::uint64_t now_us, std::uint64_t cost) const {
    const std::uint64_t at_us = latest_us(now_us);
    const std::uint64_t number = at_us / window_us_;
    const std::uint64_t previous = number == 0 ? 0 : taken_in(number - 1);
    return taken_in(number) + weight(previous, at_us % window_us_) + cost <= limit_;
  }
  void take(std::uint64_t now_us, std::uint64_t cost) {
    const std::uint64_t number = latest_us(now_us) / window_us_;
    taken_[number] += cost;
    while (taken_.begin()->first + 1 < number)
      taken_.erase(taken_.begin());  // never asked for again
  }

  [[nodiscard]] std::uint64_t capacity() const { return limit_; }
  [[nodiscard]] std::uint64_t span_us() const { return 2 * window_us_; }
  [[nodiscard]] std::uint64_t latest_us(std::uint64_t now_us) const {
    return taken_.empty() ? now_us : std::max(now_us, taken_.rbegin()->first * window_us_);
  }
  [[nodiscard]] SlidingWindowCounter seen_at(std::uint64_t) const { return *this; }
  friend bool operator==(const SlidingWindowCounter&, const SlidingWindowCounter&) = default;

 private:
  [[nodiscard]] std::uint64_t taken_in(std::uint64_t number) const {
    const auto found = taken_.find(number);
    return found == taken_.end() ? 0 : found->second;
  }

  [[nodiscard]] std::uint64_t weight(std::uint64_t previous, std::uint64_t elapsed_us) const {
    if (previous == 0) return 0;
    const std::uint64_t q = ceil_of(window_us_ - elapsed_us, u_);
    const std::uint64_t w = previous * q;  // below 10^9 x 4096
    return 2 * w < n_ ? 0 : ceil_of(w, n_);
  }
  static std::uint64_t ceil_of(std::uint64_t a, std::uint64_t b) {
    return a / b + (a % b == 0 ? 0 : 1);
  }

  std::uint64_t limit_;
  std::uint64_t window_us_;
  std::uint64_t u_;
  std::uint64_t n_;
  std::map<std::uint64_t, std::uint64_t> taken_;
};

}  // namespace tidegate::reference
