// The corners of what a configuration admits, both ends of time, and words that nobody wrote.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "algo/algorithms.hpp"

namespace tidegate {
namespace {

constexpr Micros kMillisecond_us = 1'000;
constexpr Micros kMinute_us = 60'000'000;
constexpr Micros kYear_us = Micros{365} * 86'400 * 1'000'000;
constexpr Ticks kNoon = Ticks{1'800'000'000'000'000} * kTicksPerMicro;

struct Corner {
  Algorithm algorithm;
  std::uint64_t limit;
  Micros window_us;
  std::uint64_t burst = 0;  ///< 0: none given

  [[nodiscard]] Window window() const {
    WindowConfig config{.limit = limit, .window = std::chrono::microseconds(window_us)};
    if (burst != 0) config.burst = burst;
    return make_window(algorithm, config);
  }
  friend std::ostream& operator<<(std::ostream& out, const Corner& corner) {
    return out << to_string(corner.algorithm) << ", " << corner.limit << " per " << corner.window_us
               << " us, burst " << corner.burst;
  }
};

// Legal by src/config/limit.cpp: at most a unit a microsecond, a bucket full again within 366 days,
// a counter's limit below the whole root of its window in ticks.
constexpr Corner kCorners[] = {
    {Algorithm::token_bucket, 1, kMillisecond_us},
    {Algorithm::token_bucket, 1'000, kMillisecond_us},
    {Algorithm::token_bucket, 1'000, kMillisecond_us, 1'000'000'000},
    {Algorithm::token_bucket, 7, kMillisecond_us, 3},
    {Algorithm::token_bucket, 1, kMaxWindow_us},
    {Algorithm::token_bucket, 1'000'000'000, kMaxWindow_us},
    {Algorithm::token_bucket, 1'000'000'000, kMaxWindow_us, 1},
    {Algorithm::token_bucket, 1, kMinute_us, 527'040},  // 366 days of minutes
    {Algorithm::fixed_window, 1, kMillisecond_us},
    {Algorithm::fixed_window, 1'000, kMillisecond_us},
    {Algorithm::fixed_window, 1, kMaxWindow_us},
    {Algorithm::fixed_window, 1'000'000'000, kMaxWindow_us},
    {Algorithm::sliding_window_counter, 1, kMillisecond_us},
    {Algorithm::sliding_window_counter, 1'000, kMillisecond_us},
    {Algorithm::sliding_window_counter, 70'991, 1'000'000},
    {Algorithm::sliding_window_counter, 549'908, kMinute_us},
    {Algorithm::sliding_window_counter, 1, kMaxWindow_us},
    {Algorithm::sliding_window_counter, 399'220'359, kMaxWindow_us},
};

/// Both ends of time, and both sides of a window's boundary there.
std::vector<Ticks> times_of(const Window& window) {
  const Ticks last = kLatest / window.window * window.window;
  return {0,        1,    window.window - 1, window.window, kNoon,
          last - 1, last, kLatest - 1,       kLatest,       ticks_from_micros(~Micros{0})};
}

class AtACorner : public testing::TestWithParam<Corner> {
 protected:
  const Window window_ = GetParam().window();

  void expect_sane(const Quota& quota) const {
    const Micros longest_us = 3 * micros_ceil(std::max(window_.window, window_.burst));
    EXPECT_LE(quota.remaining, window_.capacity);
    EXPECT_LE(quota.reset_us, longest_us);
    EXPECT_LE(quota.retry_after_us, longest_us);
    EXPECT_LE(quota.more_after_us, longest_us);
  }
};
INSTANTIATE_TEST_SUITE_P(Algo, AtACorner, testing::ValuesIn(kCorners));

TEST_P(AtACorner, TheWholeAllowanceGoesAtOnceAndNoMore) {
  for (const Ticks now : times_of(window_)) {
    SCOPED_TRACE(now);
    const Step all = step(window_, 0, now, window_.capacity);
    EXPECT_TRUE(all.admitted);
    EXPECT_GT(all.word, now) << "a charged entry lives";
    EXPECT_LT(all.word - now, 4 * kMaxWindow_us * kTicksPerMicro);
    expect_sane(inspect(window_, all.word, now, 0));
    EXPECT_FALSE(step(window_, all.word, now, 1).admitted);
    EXPECT_EQ(step(window_, all.word, now, 1).word, all.word) << "a rejection takes nothing";

    const Quota denied = inspect(window_, all.word, now, 1);
    expect_sane(denied);
    EXPECT_EQ(denied.remaining, 0U);
    EXPECT_GT(denied.retry_after_us, 0U);
    const Ticks wait = denied.retry_after_us * kTicksPerMicro;
    if (wait > kLatest - now) continue;
    EXPECT_TRUE(step(window_, all.word, now + wait, 1).admitted);
    EXPECT_FALSE(step(window_, all.word, now + wait - kTicksPerMicro, 1).admitted);
  }
}

TEST_P(AtACorner, OneByOneAdmitsNoMoreThanAtOnce) {
  const std::uint64_t most = std::min<std::uint64_t>(window_.capacity, 1'000);
  for (const Ticks now : times_of(window_)) {
    // What is left over is taken whole, so that large limits are reached too.
    Ticks word = step(window_, 0, now, window_.capacity - most).word;
    std::uint64_t admitted = 0;
    for (std::uint64_t i = 0; i < most + 5; ++i) {
      const Step next = step(window_, word, now, 1);
      admitted += next.admitted ? 1 : 0;
      ASSERT_GE(next.word, word);
      word = next.word;
    }
    EXPECT_EQ(admitted, most) << "at " << now;
  }
}

TEST_P(AtACorner, WhatIsTakenIsWhatIsMissing) {
  const std::uint32_t seed = 5;
  std::mt19937_64 random(seed);
  Ticks now = kNoon;
  Ticks word = 0;
  for (int i = 0; i < 5'000 && now < kLatest; ++i) {
    const Quota before = inspect(window_, word, now, 0);
    // All that is left, so that every count reaches its largest; or a little.
    const std::uint64_t cost = i % 3 == 0 ? before.remaining : before.remaining / 7;
    const Step next = step(window_, word, now, cost);
    ASSERT_TRUE(next.admitted);
    word = next.word;
    ASSERT_EQ(inspect(window_, word, now, 0).remaining, before.remaining - cost)
        << "seed " << seed << ", request " << i << ", cost " << cost;
    now += random() % window_.window;
  }
}

TEST_P(AtACorner, CostZeroIsNeverRefusedAndTakesNothing) {
  for (const Ticks now : times_of(window_)) {
    for (const Ticks word : {Ticks{0}, step(window_, 0, now, window_.capacity).word}) {
      const Step look = step(window_, word, now, 0);
      EXPECT_TRUE(look.admitted);
      EXPECT_EQ(look.word, word);
      EXPECT_EQ(inspect(window_, word, now, 0).retry_after_us, 0U);
    }
  }
}

TEST_P(AtACorner, AClockThatGoesBackGivesNothingTwice) {
  for (const Ticks now : {kNoon, kLatest}) {
    const Ticks word = step(window_, 0, now, window_.capacity).word;
    for (const Micros back_us : {Micros{1}, kMinute_us, kYear_us, 3 * kYear_us, 50 * kYear_us}) {
      SCOPED_TRACE(back_us);
      const Ticks earlier = now - back_us * kTicksPerMicro;
      EXPECT_FALSE(step(window_, word, earlier, 1).admitted);
      const Quota quota = inspect(window_, word, earlier, 1);
      EXPECT_EQ(quota.remaining, 0U);
      EXPECT_GT(quota.retry_after_us, 0U);
      EXPECT_LE(quota.retry_after_us,
                back_us + 3 * micros_ceil(std::max(window_.window, window_.burst)));
    }
  }
}

TEST_P(AtACorner, WordsThatNobodyWroteLetNobodyThroughUnlimited) {
  const std::uint32_t seed = 11;
  std::mt19937_64 random(seed);
  constexpr std::uint64_t kAsked = 50;
  for (int i = 0; i < 2'000; ++i) {
    // Anything; near the end of the type; and there right behind a window's boundary, where a count
    // is read as small.
    const Ticks anything = random() >> random() % 64;
    const Ticks at_the_end = ~Ticks{0} - random() % 100;
    const Ticks boundary = ~Ticks{0} / window_.window * window_.window;
    const Ticks behind = saturating_add(boundary, random() % (2 * window_.capacity));
    const Ticks junk[] = {anything, at_the_end, behind};
    const Ticks start = junk[i % 3];
    const Ticks now = i % 2 == 0 ? kNoon : random() % kLatest;
    const std::uint64_t cost = std::max<std::uint64_t>(1, window_.capacity / 20);

    Ticks word = start;
    std::uint64_t admitted = 0;
    for (std::uint64_t n = 0; n < kAsked; ++n) {
      const Step next = step(window_, word, now, cost);
      ASSERT_GE(next.word, word);
      ASSERT_LE(inspect(window_, next.word, now, cost).remaining, window_.capacity);
      admitted += next.admitted ? cost : 0;
      word = next.word;
    }
    ASSERT_LE(admitted, window_.capacity) << "seed " << seed << ", word " << start << " at " << now;
  }
}

TEST(Extremes, TimesBeyondTheLatestAreTheLatest) {
  const Micros last_us = kLatest / kTicksPerMicro;
  EXPECT_EQ(ticks_from_micros(last_us), last_us * kTicksPerMicro);
  EXPECT_EQ(ticks_from_micros(last_us + 1), kLatest);
  EXPECT_LE(ticks_from_micros(last_us), ticks_from_micros(last_us + 1)) << "time does not go back";
}

}  // namespace
}  // namespace tidegate
