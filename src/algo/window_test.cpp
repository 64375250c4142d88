#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "algo/algorithms.hpp"

namespace tidegate {
namespace {

using std::chrono::microseconds;

constexpr Algorithm kOneWord[] = {Algorithm::token_bucket, Algorithm::sliding_window_counter,
                                  Algorithm::fixed_window};

TEST(Window, WorksOutABucket) {
  const Window window = make_window(Algorithm::token_bucket,
                                    {.limit = 7, .window = microseconds(1'000'000), .burst = 20});
  EXPECT_EQ(window.capacity, 20U);
  EXPECT_EQ(window.period, 720'000'000U);  // a seventh of a second, exactly
  EXPECT_EQ(window.burst, 20 * window.period);
}

TEST(Window, ABucketHoldsTheLimitUnlessItSaysOtherwise) {
  const WindowConfig config{.limit = 30, .window = microseconds(60'000'000)};
  EXPECT_EQ(make_window(Algorithm::token_bucket, config).capacity, 30U);
}

TEST(Window, APeriodIsRoundedUpSoThatARateIsNeverExceeded) {
  const Window window =
      make_window(Algorithm::token_bucket, {.limit = 11, .window = microseconds(1'000'000)});
  EXPECT_GE(window.period * 11, window.window);
  EXPECT_LT((window.period - 1) * 11, window.window);
}

TEST(Window, CountsAreWrittenToTheBaseOfTheSquareRoot) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const Micros window_us = 1'000 + random() % (kMaxWindow_us - 1'000 + 1);
    const Window window = make_window(
        Algorithm::sliding_window_counter,
        {.limit = 1, .window = microseconds(static_cast<microseconds::rep>(window_us))});
    ASSERT_LE(window.radix * window.radix, window.window);
    ASSERT_GT((window.radix + 1) * (window.radix + 1), window.window);
  }
  // The largest limits below it are what the configuration names as bounds.
  const auto radix = [](Micros us) {
    return make_window(Algorithm::sliding_window_counter, {.limit = 1, .window = microseconds(us)})
        .radix;
  };
  EXPECT_EQ(radix(1'000'000), 70'992U);
  EXPECT_EQ(radix(60'000'000), 549'909U);
}

TEST(Window, ASlicedWindowHasAtMost4096Slices) {
  for (const std::int64_t us : {1'000LL, 4'096LL, 4'097LL, 60'000'000LL, 31'622'400'000'000LL}) {
    const Window window =
        make_window(Algorithm::sliding_window_counter, {.limit = 1, .window = microseconds(us)});
    EXPECT_LE(window.slices, 4'096U);
    EXPECT_GE(window.slices * window.slice_us, window.window_us);
    EXPECT_LT((window.slices - 1) * window.slice_us, window.window_us);
  }
}

TEST(Window, LimitZeroIsMadeWithoutDividing) {
  for (const Algorithm algorithm : kOneWord) {
    const Window window = make_window(algorithm, {.limit = 0, .window = microseconds(60'000'000)});
    EXPECT_EQ(window.capacity, 0U);
    EXPECT_EQ(window.window_us, 60'000'000U);
  }
}

TEST(Window, TheLargestConfigurationsStayWithinSixtyFourBits) {
  const microseconds longest(static_cast<microseconds::rep>(kMaxWindow_us));
  const Window slow =
      make_window(Algorithm::token_bucket, {.limit = 1'000'000'000, .window = longest});
  EXPECT_GE(slow.burst, slow.window);
  EXPECT_LE(slow.burst - slow.window, slow.limit);  // less than one tick for each unit
  for (const Algorithm algorithm : kOneWord) {
    const std::uint64_t limit =
        algorithm == Algorithm::sliding_window_counter ? 300'000'000 : 1'000'000'000;
    const Window window = make_window(algorithm, {.limit = limit, .window = longest});
    const Step all = step(window, 0, kLatest, limit);
    EXPECT_TRUE(all.admitted);
    EXPECT_GT(all.word, kLatest);
    EXPECT_FALSE(step(window, all.word, kLatest, 1).admitted);
    const Quota quota = inspect(window, all.word, kLatest, 1);
    EXPECT_EQ(quota.remaining, 0U);
    EXPECT_LE(quota.reset_us, 2 * kMaxWindow_us);
  }
}

TEST(Window, FreshClientsHaveEverythingAndNothingToWaitFor) {
  for (const Algorithm algorithm : kOneWord) {
    const Window window = make_window(algorithm, {.limit = 5, .window = microseconds(1'000'000)});
    for (const Ticks now : {Ticks{0}, ticks_from_micros(1'800'000'000'000'000), kLatest}) {
      const Quota quota = inspect(window, 0, now, 1);
      EXPECT_EQ(quota.remaining, 5U);
      EXPECT_EQ(quota.reset_us, 0U);
      EXPECT_EQ(quota.retry_after_us, 0U);
      EXPECT_GT(quota.more_after_us, 0U);
    }
  }
}

TEST(Window, CostZeroLooksEvenWhereNothingIsLeft) {
  for (const Algorithm algorithm : kOneWord) {
    const Window many = make_window(algorithm, {.limit = 50, .window = microseconds(1'000'000)});
    const Window few = make_window(algorithm, {.limit = 5, .window = microseconds(1'000'000)});
    const Ticks now = ticks_from_micros(1'800'000'000'000'000);
    const Ticks word = step(many, 0, now, 50).word;
    const Step look = step(few, word, now, 0);
    EXPECT_TRUE(look.admitted);
    EXPECT_EQ(look.word, word);
    EXPECT_EQ(inspect(few, word, now, 0).retry_after_us, 0U);
  }
}

TEST(Window, ALoweredLimitLeavesNothingUntilEnoughIsForgotten) {
  for (const Algorithm algorithm : {Algorithm::sliding_window_counter, Algorithm::fixed_window}) {
    const Window many = make_window(algorithm, {.limit = 50, .window = microseconds(1'000'000)});
    const Window few = make_window(algorithm, {.limit = 5, .window = microseconds(1'000'000)});
    const Micros now_us = 1'800'000'000'250'000;
    const Ticks word = step(many, 0, ticks_from_micros(now_us), 50).word;
    const Quota quota = inspect(few, word, ticks_from_micros(now_us), 2);
    EXPECT_EQ(quota.remaining, 0U);
    EXPECT_FALSE(step(few, word, ticks_from_micros(now_us + quota.retry_after_us - 1), 2).admitted);
    EXPECT_TRUE(step(few, word, ticks_from_micros(now_us + quota.retry_after_us), 2).admitted);
  }
}

TEST(Window, AnUnseenEntryIsFreeAndAChargedOneIsNot) {
  std::mt19937_64 random(2);
  for (const Algorithm algorithm : kOneWord) {
    const Window window = make_window(algorithm, {.limit = 9, .window = microseconds(1'000'000)});
    for (int i = 0; i < 10'000; ++i) {
      const Micros now_us = 1'800'000'000'000'000 + random() % 10'000'000;
      const Ticks word = step(window, 0, ticks_from_micros(now_us), 1 + random() % 9).word;
      const Quota quota = inspect(window, word, ticks_from_micros(now_us), 1);
      // The word is the time at which the state equals never-seen, or up to a window later.
      const Micros whole_us = now_us + quota.reset_us;
      ASSERT_GT(word, ticks_from_micros(whole_us - 1));
      ASSERT_LE(word, ticks_from_micros(whole_us) + window.window);
      ASSERT_EQ(inspect(window, word, ticks_from_micros(micros_ceil(word)), 1).remaining, 9U);
    }
  }
}

TEST(Window, WordsThatNobodyWroteAreSurvived) {
  std::mt19937_64 random(3);
  for (const Algorithm algorithm : kOneWord) {
    for (int i = 0; i < 20'000; ++i) {
      const Micros window_us = 1'000 + random() % (std::uint64_t{1} << random() % 44);
      const std::uint64_t limit = 1 + random() % 1'000;
      const Window window = make_window(
          algorithm,
          {.limit = limit, .window = microseconds(static_cast<microseconds::rep>(window_us))});
      const Ticks word = i % 4 == 0 ? ~Ticks{0} - random() % 5'000 : random();
      const Ticks now = i % 8 < 4 ? kLatest : random() % kLatest;
      const std::uint64_t cost = random() % (limit + 1);
      const Step next = step(window, word, now, cost);
      ASSERT_GE(next.word, word);
      ASSERT_LE(inspect(window, next.word, now, cost).remaining, limit);
    }
  }
}

}  // namespace
}  // namespace tidegate
