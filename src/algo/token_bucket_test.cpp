#include <gtest/gtest.h>

#include <chrono>

#include "algo/algorithms.hpp"

namespace tidegate {
namespace {

constexpr Micros kNow = 1'800'000'000'000'000;

Window bucket(std::uint64_t limit, std::int64_t window_us, std::uint64_t burst) {
  return make_window(
      Algorithm::token_bucket,
      {.limit = limit, .window = std::chrono::microseconds(window_us), .burst = burst});
}

/// How many of `tries` requests of cost 1 at `at_us` are admitted.
int admitted(const Window& window, Ticks& word, Micros at_us, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) {
    const Step next = step(window, word, ticks_from_micros(at_us), 1);
    word = next.word;
    count += next.admitted ? 1 : 0;
  }
  return count;
}

TEST(TokenBucket, AdmitsTheBurstAndThenTheRate) {
  const Window window = bucket(3, 1'000'000, 5);
  Ticks word = 0;
  EXPECT_EQ(admitted(window, word, kNow, 10), 5);
  EXPECT_EQ(admitted(window, word, kNow + 333'333, 10), 0);
  EXPECT_EQ(admitted(window, word, kNow + 333'334, 10), 1);
  EXPECT_EQ(admitted(window, word, kNow + 1'000'000, 10), 2);
  EXPECT_EQ(admitted(window, word, kNow + 60'000'000, 10), 5);
}

TEST(TokenBucket, IsWholeAgainAfterExactlyOneWindow) {
  for (const std::uint64_t limit : {1U, 3U, 7U, 30U, 60U, 100U, 1'000U}) {
    const Window window = bucket(limit, 1'000'000, limit);
    const Ticks now = ticks_from_micros(kNow);
    const Ticks word = step(window, 0, now, limit).word;
    EXPECT_EQ(inspect(window, word, now, 1).reset_us, 1'000'000U) << limit;
  }
}

TEST(TokenBucket, RatesFinerThanAMicrosecondAreKept) {
  const Window window = bucket(700'000, 1'000'000, 1);
  Ticks word = 0;
  int count = 0;
  for (Micros us = 0; us < 1'000'000; ++us) count += admitted(window, word, kNow + us, 1);
  // One unit is 1.43 us: a client that asks each microsecond gets every second one.
  EXPECT_EQ(count, 500'000);

  const Window deep = bucket(700'000, 1'000'000, 10);
  word = 0;
  count = 0;
  for (Micros us = 0; us < 1'000'000; ++us) count += admitted(deep, word, kNow + us, 1);
  EXPECT_NEAR(count, 700'000, 10);
}

TEST(TokenBucket, TimeThatGoesBackGivesNothingTwice) {
  const Window window = bucket(10, 1'000'000, 10);
  Ticks word = 0;
  EXPECT_EQ(admitted(window, word, kNow, 20), 10);
  EXPECT_EQ(admitted(window, word, kNow - 5'000'000, 20), 0);
  EXPECT_EQ(admitted(window, word, kNow, 20), 0);
  EXPECT_EQ(admitted(window, word, kNow + 100'000, 20), 1);
}

TEST(TokenBucket, ALoweredBurstReadsAsAnEmptyBucket) {
  const Window large = bucket(10, 1'000'000, 100);
  const Window small = bucket(10, 1'000'000, 5);
  const Ticks now = ticks_from_micros(kNow);
  const Ticks word = step(large, 0, now, 100).word;
  const Quota quota = inspect(small, word, now, 1);
  EXPECT_EQ(quota.remaining, 0U);
  EXPECT_EQ(quota.reset_us, 500'000U);
  EXPECT_FALSE(step(small, word, now, 1).admitted);
}

}  // namespace
}  // namespace tidegate
