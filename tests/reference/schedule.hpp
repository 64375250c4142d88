// Random limits, and random requests with clocks that stand still, run and go back.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>

#include "core/time.hpp"
#include "tidegate/config.hpp"

namespace tidegate::reference {

/// How many schedules a test runs: TIDEGATE_SCHEDULES of them, else `usual`.
inline std::uint64_t schedules(std::uint64_t usual) {
  // Read before there is a second thread. NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (const char* given = std::getenv("TIDEGATE_SCHEDULES"); given != nullptr) {
    return std::strtoull(given, nullptr, 10);
  }
#ifdef TIDEGATE_SANITIZED
  return usual / 10;
#else
  return usual;
#endif
}

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  [[nodiscard]] bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  /// From 1 to `high`, small numbers as likely as large ones.
  [[nodiscard]] std::uint64_t up_to(std::uint64_t high) {
    const auto bits = static_cast<std::uint64_t>(std::bit_width(high));
    return std::min(high, 1 + below(std::uint64_t{1} << below(bits + 1)));
  }

  /// A window that a configuration may ask for. `max_limit` bounds the limit further.
  [[nodiscard]] WindowConfig window(Algorithm algorithm, std::uint64_t max_limit) {
    static constexpr std::array<std::uint64_t, 8> kUsual{
        1'000,      100'000,       1'000'000,      10'000'000,
        60'000'000, 3'600'000'000, 86'400'000'000, kMaxWindow_us};
    const std::uint64_t window_us =
        chance(3) ? std::max<std::uint64_t>(1'000, up_to(kMaxWindow_us)) : kUsual[below(8)];
    // A million a second at most; and the counts of sliding_window_counter must fit into its word.
    max_limit = std::min({max_limit, window_us, std::uint64_t{1'000'000'000}});
    if (algorithm == Algorithm::sliding_window_counter) {
      const double root = std::sqrt(static_cast<double>(window_us) * 5040);
      max_limit = std::min(max_limit, static_cast<std::uint64_t>(root) - 1);
    }
    WindowConfig config;
    config.limit = chance(2) ? 1 + below(std::min<std::uint64_t>(max_limit, 12)) : up_to(max_limit);
    config.window = std::chrono::microseconds(window_us);
    if (algorithm == Algorithm::token_bucket && chance(2)) {
      // A whole bucket must be back within 366 days.
      const auto most = static_cast<double>(config.limit) * static_cast<double>(kMaxWindow_us) /
                        static_cast<double>(window_us);
      config.burst = up_to(static_cast<std::uint64_t>(std::clamp(most * 0.999, 1.0, 1e9)));
    }
    return config;
  }

  /// Where a schedule begins: now, or at either end of all time.
  [[nodiscard]] std::uint64_t start_us() {
    switch (below(8)) {
      case 0:
        return below(3);
      case 1:
        return kLatest / kTicksPerMicro - below(3);
      default:
        return 1'800'000'000'000'000 + below(100'000'000'000'000);
    }
  }

  /// The time of the next request. `wait_us` is what the last answer told to wait.
  [[nodiscard]] std::uint64_t next_us(std::uint64_t now_us, std::uint64_t window_us,
                                      std::uint64_t wait_us, bool may_go_back) {
    const std::uint64_t into_us = now_us % window_us;
    switch (below(may_go_back ? 14 : 11)) {
      case 0:
      case 1:
      case 2:
        return now_us;
      case 3:
        return after(now_us, 1 + below(3));
      case 4:
        return after(now_us, below(window_us / 4));
      case 5:
        return after(now_us, below(window_us));
      case 6:
        return after(now_us, wait_us);
      case 7:
        return after(now_us, wait_us - std::min<std::uint64_t>(wait_us, 1));
      case 8:  // around the edge of the next window
        return after(now_us, window_us - into_us - std::min(window_us - into_us, below(3)));
      case 9:
        return after(now_us, window_us - into_us + below(3));
      case 10:
        return after(now_us, below(chance(4) ? 10 * window_us : 2 * window_us));
      case 11:
        return before(now_us, 1 + below(3));
      case 12:
        return before(now_us, into_us + below(3));
      default:
        return before(now_us, below(2 * window_us));
    }
  }

  [[nodiscard]] std::uint64_t cost(std::uint64_t capacity, std::uint64_t remaining) {
    switch (below(8)) {
      case 0:
        return 0;
      case 1:
        return up_to(capacity);
      case 2:
        return remaining;
      case 3:
        return std::min(capacity, remaining + 1);
      default:
        return 1;
    }
  }

 private:
  static std::uint64_t after(std::uint64_t now_us, std::uint64_t us) {
    return std::min(now_us + us, kLatest / kTicksPerMicro);
  }
  static std::uint64_t before(std::uint64_t now_us, std::uint64_t us) {
    return now_us - std::min(now_us, us);
  }

  std::mt19937_64 random_;
};

}  // namespace tidegate::reference
