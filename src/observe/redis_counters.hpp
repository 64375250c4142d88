// How exchanges with Redis went, in memory that all processes share, for metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/time.hpp"
#include "store/redis/failure.hpp"
#include "tidegate/status.hpp"

namespace tidegate {

/// A view on shared memory. Any number of processes and threads. Zeroed memory is empty.
class RedisCounters {
 public:
  /// Where a count of latencies ends, in microseconds; the last bucket takes the rest.
  static constexpr std::array<Micros, 11> kBounds_us{100,    250,    500,    1'000,   2'500,  5'000,
                                                     10'000, 25'000, 50'000, 100'000, 250'000};

  struct Shared {
    struct Latency {
      std::array<std::atomic<std::uint64_t>, kBounds_us.size() + 1> counts;
      std::atomic<std::uint64_t> sum_us;
    };
    std::array<Latency, redis::kOperations> latencies;
    std::array<std::array<std::atomic<std::uint64_t>, redis::kErrorTypes>, redis::kOperations>
        errors;
    std::atomic<Micros> last_check_us;  ///< how long the last check took that was answered
  };

  explicit RedisCounters(Shared& shared) : shared_(shared) {}

  void count_exchange(redis::Operation operation, Micros latency_us);
  void count_error(redis::Operation operation, redis::ErrorType type);

  /// Without operations that never were.
  [[nodiscard]] std::vector<Status::Latency> latencies() const;
  [[nodiscard]] std::vector<Status::RedisErrors> errors() const;
  /// How long the last answered check took; 0: there was none yet.
  [[nodiscard]] Micros last_check_us() const { return shared_.last_check_us.load(); }

 private:
  Shared& shared_;
};

}  // namespace tidegate
