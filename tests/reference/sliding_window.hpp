// The exact sliding window: every admission with its time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <ranges>

#include "tests/reference/answer.hpp"

namespace tidegate::reference {

/// A window at t covers (t - W, t]. A request whose time lies before the last admission is put to
/// the time of that admission.
class SlidingWindow {
 public:
  SlidingWindow(std::uint64_t limit, std::uint64_t window_us)
      : limit_(limit), window_us_(window_us) {}

  [[nodiscard]] bool fits(std::uint64_t now_us, std::uint64_t cost) const {
    const std::uint64_t at_us = latest_us(now_us);
    std::uint64_t counted = 0;
    for (const Admission& admission : std::views::reverse(admissions_)) {
      if (admission.at_us + window_us_ <= at_us) break;
      counted += admission.cost;
    }
    return counted + cost <= limit_;
  }
  void take(std::uint64_t now_us, std::uint64_t cost) {
    admissions_.push_back({latest_us(now_us), cost});
    while (admissions_.front().at_us + window_us_ <= admissions_.back().at_us) {
      admissions_.pop_front();  // never asked for again
    }
  }

  [[nodiscard]] std::uint64_t capacity() const { return limit_; }
  [[nodiscard]] std::uint64_t span_us() const { return window_us_; }
  [[nodiscard]] std::uint64_t latest_us(std::uint64_t now_us) const {
    return admissions_.empty() ? now_us : std::max(now_us, admissions_.back().at_us);
  }
  [[nodiscard]] SlidingWindow seen_at(std::uint64_t) const { return *this; }
  friend bool operator==(const SlidingWindow&, const SlidingWindow&) = default;

 private:
  struct Admission {
    std::uint64_t at_us;
    std::uint64_t cost;
    friend bool operator==(const Admission&, const Admission&) = default;
  };

  std::uint64_t limit_;
  std::uint64_t window_us_;
  std::deque<Admission> admissions_;
};

}  // namespace tidegate::reference
