// One window of one client as the exact references have it, whichever its algorithm.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include "algo/window.hpp"
#include "tests/reference/fixed_window.hpp"
#include "tests/reference/sliding_window.hpp"
#include "tests/reference/sliding_window_counter.hpp"
#include "tests/reference/token_bucket.hpp"

namespace tidegate::reference {

class Exact {
 public:
  /// Of a client that was never seen.
  explicit Exact(const Window& window) : reference_(never_seen(window)) {}

  [[nodiscard]] bool fits(Micros now_us, std::uint64_t cost) const {
    return std::visit([&](const auto& exact) { return exact.fits(now_us, cost); }, reference_);
  }
  void take(Micros now_us, std::uint64_t cost) {
    std::visit([&](auto& exact) { exact.take(now_us, cost); }, reference_);
  }
  [[nodiscard]] Answer tell(Micros now_us, std::uint64_t cost, bool admitted) const {
    return std::visit(
        [&](const auto& exact) { return reference::tell(exact, now_us, cost, admitted); },
        reference_);
  }
  /// Moves its time forward, as whoever takes nothing does. False if it was there already.
  bool come_to(Micros now_us) {
    const bool later =
        std::visit([&](const auto& exact) { return exact.latest_us(0) < exact.latest_us(now_us); },
                   reference_);
    if (later) take(now_us, 0);
    return later;
  }
  Answer decide(Micros now_us, std::uint64_t cost) {
    return std::visit([&](auto& exact) { return reference::decide(exact, now_us, cost); },
                      reference_);
  }
  /// Whether at that time, which nobody's was later than, it equals one that was never seen.
  [[nodiscard]] bool forgotten_by(Micros now_us) const {
    return std::visit(
        [&](const auto& exact) {
          return exact.latest_us(now_us) == now_us && exact.fits(now_us, exact.capacity());
        },
        reference_);
  }
  friend bool operator==(const Exact&, const Exact&) = default;

 private:
  using Any = std::variant<TokenBucket, FixedWindow, SlidingWindowCounter, SlidingWindow>;

  static Any never_seen(const Window& window) {
    switch (window.algorithm) {
      case Algorithm::token_bucket:
        return TokenBucket(window.limit, window.window_us, window.capacity);
      case Algorithm::fixed_window:
        return FixedWindow(window.limit, window.window_us);
      case Algorithm::sliding_window_counter:
        return SlidingWindowCounter(window.limit, window.window_us);
      case Algorithm::sliding_window:
        return SlidingWindow(window.limit, window.window_us);
    }
    std::unreachable();
  }

  Any reference_;
};

}  // namespace tidegate::reference
