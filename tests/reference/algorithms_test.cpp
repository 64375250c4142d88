// Each algorithm against its exact reference, over random limits, costs and clocks; and what the
// answers promise, checked on the answers alone.
#include "algo/algorithms.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/reference/fixed_window.hpp"
#include "tests/reference/promises.hpp"
#include "tests/reference/schedule.hpp"
#include "tests/reference/sliding_window_counter.hpp"
#include "tests/reference/token_bucket.hpp"

namespace tidegate {
namespace {

using reference::Answer;
using reference::Grant;
using reference::Schedule;

/// One client under one window: what the engine's store does, without a store.
class Client {
 public:
  explicit Client(const Window& window) : window_(window) {}

  Answer decide(Micros now_us, std::uint64_t cost) {
    const Ticks now = ticks_from_micros(now_us);
    const Step next = step(window_, word_, now, cost);
    EXPECT_GE(next.word, word_) << "words only grow";
    const Quota quota = inspect(window_, next.word, now, next.admitted ? 0 : cost);
    EXPECT_TRUE(next.admitted || next.word == word_) << "a rejection takes nothing";
    word_ = next.word;
    return {next.admitted, quota.remaining, quota.reset_us, quota.retry_after_us,
            quota.more_after_us};
  }

  /// Whether the cost would be admitted then.
  [[nodiscard]] bool admits(Micros at_us, std::uint64_t cost) const {
    return step(window_, word_, ticks_from_micros(at_us), cost).admitted;
  }

 private:
  const Window& window_;
  Ticks word_ = 0;
};

std::string describe(const Window& window) {
  return std::string(to_string(window.algorithm)) + ", limit " + std::to_string(window.limit) +
         ", window " + std::to_string(window.window_us) + " us, capacity " +
         std::to_string(window.capacity);
}

/// Whoever waits as long as told gets in, and a microsecond earlier does not.
void expect_wait_is_exact(const Client& client, const Answer& answer, Micros now_us,
                          std::uint64_t cost) {
  if (answer.admitted || now_us + answer.retry_after_us > kLatest / kTicksPerMicro) return;
  EXPECT_GT(answer.retry_after_us, 0U);
  EXPECT_TRUE(client.admits(now_us + answer.retry_after_us, cost));
  EXPECT_FALSE(client.admits(now_us + answer.retry_after_us - 1, cost));
}

template <class Reference>
void run_schedule(Schedule& schedule, const Window& window, Reference exact) {
  const bool goes_back = schedule.chance(2);
  const std::uint64_t requests = 20 + schedule.below(41);
  Client client(window);
  std::vector<Grant> grants;
  Answer answer{.remaining = window.capacity};
  Micros now_us = schedule.start_us();
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::uint64_t cost = schedule.cost(window.capacity, answer.remaining);
    answer = client.decide(now_us, cost);
    const Answer right = reference::decide(exact, now_us, cost);
    ASSERT_EQ(answer, right) << "request " << i << " at " << now_us << " us, cost " << cost;
    if (!goes_back) {
      if (answer.admitted) grants.push_back({now_us, cost});
      expect_wait_is_exact(client, answer, now_us, cost);
    }
    now_us = schedule.next_us(now_us, window.window_us, answer.retry_after_us, goes_back);
  }
  reference::expect_within_bounds(window, grants);
}

TEST(Algorithms, TokenBucketIsExact) {
  for (std::uint64_t seed = 0;
       seed < reference::schedules(50'000) && !::testing::Test::HasFailure(); ++seed) {
    Schedule schedule(seed);
    const Window window = make_window(Algorithm::token_bucket,
                                      schedule.window(Algorithm::token_bucket, 1'000'000'000));
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + describe(window));
    run_schedule(schedule, window,
                 reference::TokenBucket(window.limit, window.window_us, window.capacity));
  }
}

TEST(Algorithms, SlidingWindowCounterIsExact) {
  for (std::uint64_t seed = 0;
       seed < reference::schedules(50'000) && !::testing::Test::HasFailure(); ++seed) {
    Schedule schedule(seed);
    const Window window =
        make_window(Algorithm::sliding_window_counter,
                    schedule.window(Algorithm::sliding_window_counter, 1'000'000'000));
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + describe(window));
    run_schedule(schedule, window, reference::SlidingWindowCounter(window.limit, window.window_us));
  }
}

TEST(Algorithms, FixedWindowIsExact) {
  for (std::uint64_t seed = 0;
       seed < reference::schedules(50'000) && !::testing::Test::HasFailure(); ++seed) {
    Schedule schedule(seed);
    const Window window = make_window(Algorithm::fixed_window,
                                      schedule.window(Algorithm::fixed_window, 1'000'000'000));
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + describe(window));
    run_schedule(schedule, window, reference::FixedWindow(window.limit, window.window_us));
  }
}

}  // namespace
}  // namespace tidegate
