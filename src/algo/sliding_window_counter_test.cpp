#include <gtest/gtest.h>

#include <chrono>

#include "algo/algorithms.hpp"

namespace tidegate {
namespace {

constexpr Micros kEdge = 1'800'000'000'000'000;  // a window of 10 s begins here

Window window_of(std::uint64_t limit, std::int64_t window_us) {
  return make_window(Algorithm::sliding_window_counter,
                     {.limit = limit, .window = std::chrono::microseconds(window_us)});
}
const Window kWindow = window_of(3, 10'000'000);

Step at(Micros us, Ticks word, std::uint64_t cost) {
  return step(kWindow, word, ticks_from_micros(us), cost);
}
Quota quota_at(Micros us, Ticks word, std::uint64_t cost) {
  return inspect(kWindow, word, ticks_from_micros(us), cost);
}

TEST(SlidingWindowCounter, ThePreviousWindowFadesInSlices) {
  const Ticks word = at(kEdge + 9'000'000, 0, 3).word;
  const auto left = [&](Micros us) { return quota_at(kEdge + us, word, 1).remaining; };
  EXPECT_EQ(left(10'000'000), 0U);
  EXPECT_EQ(left(13'333'339), 0U);
  EXPECT_EQ(left(13'333'340), 1U);
  EXPECT_EQ(left(20'000'000), 3U);
}

TEST(SlidingWindowCounter, LessThanHalfAUnitWeighsNothing) {
  const Ticks word = at(kEdge, 0, 1).word;
  EXPECT_EQ(quota_at(kEdge + 15'001'225, word, 1).remaining, 2U);
  EXPECT_EQ(quota_at(kEdge + 15'001'226, word, 1).remaining, 3U);
  EXPECT_EQ(quota_at(kEdge, word, 1).reset_us, 15'001'226U);
}

TEST(SlidingWindowCounter, WaitsWithinTheWindowTheNextOrTheOneAfter) {
  // Two in the previous window, one in this: the previous fades until one more fits.
  Ticks word = at(kEdge - 1, 0, 2).word;
  word = at(kEdge, word, 1).word;
  EXPECT_LT(quota_at(kEdge, word, 1).retry_after_us, 10'000'000U);
  // Two more never fit beside the one before the next window.
  EXPECT_LT(quota_at(kEdge, word, 2).retry_after_us, 10'000'000U);
  EXPECT_EQ(quota_at(kEdge, word, 3).retry_after_us, 15'001'226U);
  // All of the limit, after all of the limit: only when that weighs nothing at all.
  word = at(kEdge, 0, 3).word;
  const Micros wait = quota_at(kEdge, word, 3).retry_after_us;
  EXPECT_GT(wait, 15'000'000U);
  EXPECT_TRUE(at(kEdge + wait, word, 3).admitted);
  EXPECT_FALSE(at(kEdge + wait - 1, word, 3).admitted);
}

TEST(SlidingWindowCounter, AClientThatNeverStopsGetsItsLimitAWindow) {
  for (const std::uint64_t limit : {1U, 2U, 3U, 10U, 100U}) {
    const Window window = window_of(limit, 1'000'000);
    constexpr std::uint64_t kWindows = 100;
    std::uint64_t count = 0;
    Ticks word = 0;
    for (Micros us = 0; us < kWindows * 1'000'000; us += 100) {
      const Step next = step(window, word, ticks_from_micros(kEdge + us), 1);
      word = next.word;
      count += next.admitted ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(count), static_cast<double>(limit * kWindows),
                static_cast<double>(limit))
        << "limit " << limit;
  }
}

TEST(SlidingWindowCounter, ALateClockDoesNotOpenAnOldWindowAgain) {
  const Ticks word = at(kEdge, 0, 2).word;
  EXPECT_FALSE(at(kEdge - 20'000'000, word, 2).admitted);
  const Step late = at(kEdge - 20'000'000, word, 1);
  EXPECT_TRUE(late.admitted);
  EXPECT_FALSE(at(kEdge, late.word, 1).admitted);
}

}  // namespace
}  // namespace tidegate
