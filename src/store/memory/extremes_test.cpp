// The store at the corners of what may be configured, and at both ends of time.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "store/memory/test_store.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using enum Algorithm;

constexpr std::chrono::microseconds kLongest = std::chrono::hours(24 * 366);
constexpr Ticks kYear = Ticks{365} * 86'400 * kSecond;

struct Corner {
  TestStore::Rule rule;
  friend std::ostream& operator<<(std::ostream& out, const Corner& corner) {
    return out << to_string(corner.rule.algorithm) << ", " << corner.rule.limit << " per "
               << corner.rule.window.count() << " us";
  }
};

constexpr Corner kCorners[] = {
    {{token_bucket, 1, 1ms}},
    {{token_bucket, 1'000, 1ms}},
    {{token_bucket, 1, kLongest}},
    {{token_bucket, 1'000'000'000, kLongest}},
    {{fixed_window, 1, 1ms}},
    {{fixed_window, 1'000, 1ms}},
    {{fixed_window, 1, kLongest}},
    {{fixed_window, 1'000'000'000, kLongest}},
    {{sliding_window_counter, 1, 1ms}},
    {{sliding_window_counter, 1'000, 1ms}},
    {{sliding_window_counter, 1, kLongest}},
    {{sliding_window_counter, 399'220'359, kLongest}},
    {{sliding_window, 1, 1ms}},
    {{sliding_window, 1'000, 1ms}},
    {{sliding_window, 1, kLongest}},
    {{sliding_window, 10'000, kLongest}},
};

/// Time 0, the first microsecond, now, the latest, beyond it, and the largest number there is.
constexpr Ticks kTimes[] = {0, kTicksPerMicro, kNoon, kLatest, kLatest + 1, ~Ticks{0}};

class AtACorner : public testing::TestWithParam<Corner> {
 protected:
  [[nodiscard]] static TestStore make_store() {
    return TestStore({GetParam().rule}, {.capacity = 1'000, .log_slots = 100'000});
  }
  [[nodiscard]] static std::uint64_t limit() { return GetParam().rule.limit; }
};
INSTANTIATE_TEST_SUITE_P(Store, AtACorner, testing::ValuesIn(kCorners));

TEST_P(AtACorner, AdmitsTheLimitAndNoMoreAtAnyTime) {
  for (const Ticks now : kTimes) {
    SCOPED_TRACE(now);
    const TestStore store = make_store();
    EXPECT_TRUE(store.admits(1, now, limit() - 1)) << "0 where the limit is 1";
    EXPECT_EQ(store.decide(1, now, 0).quota.remaining, 1U);
    EXPECT_TRUE(store.admits(1, now));
    const Verdict denied = store.decide(1, now);
    EXPECT_FALSE(denied.admitted);
    EXPECT_EQ(denied.quota.remaining, 0U);
    EXPECT_GT(denied.quota.retry_after_us, 0U);
    EXPECT_LE(denied.quota.retry_after_us, 2 * kMaxWindow_us);
    EXPECT_TRUE(store.admits(1, now, 0)) << "looking is never refused";
    EXPECT_TRUE(store.admits(2, now)) << "another client";
  }
}

TEST_P(AtACorner, LetsInWhoWaitsAsTold) {
  for (const Ticks now : {Ticks{0}, kNoon}) {
    SCOPED_TRACE(now);
    const TestStore store = make_store();
    EXPECT_TRUE(store.admits(1, now, limit()));
    const Ticks wait = store.decide(1, now).quota.retry_after_us * kTicksPerMicro;
    EXPECT_FALSE(store.admits(1, now + wait - kTicksPerMicro));
    EXPECT_TRUE(store.admits(1, now + wait));
  }
}

TEST_P(AtACorner, AClockThatGoesBackByYearsGivesNothingTwice) {
  const TestStore store = make_store();
  EXPECT_TRUE(store.admits(1, kNoon, limit()));
  for (const Ticks back : {kYear / 365, kYear, 3 * kYear}) {
    const Verdict denied = store.decide(1, kNoon - back);
    EXPECT_FALSE(denied.admitted);
    EXPECT_GT(denied.quota.retry_after_us, 0U);
    EXPECT_LE(denied.quota.retry_after_us, micros_ceil(back) + 2 * kMaxWindow_us);
  }
  EXPECT_FALSE(store.admits(1, kNoon)) << "and none of that has changed what is due";
}

TEST(Extremes, AGroupOfAllCornersIsAllOrNothing) {
  std::vector<TestStore::Rule> rules;
  for (const Corner& corner : kCorners) {
    if (rules.size() < kMaxWindowsPerRule && corner.rule.limit != 1) rules.push_back(corner.rule);
  }
  for (const Ticks now : kTimes) {
    SCOPED_TRACE(now);
    const TestStore store(rules, {.capacity = 1'000, .log_slots = 400'000});
    std::uint64_t admitted = 0;
    for (int i = 0; i < 1'100; ++i) {
      const std::vector<Verdict> verdicts = store.decide_group(1, now);
      admitted += std::ranges::all_of(verdicts, &Verdict::admitted) ? 1 : 0;
    }
    EXPECT_EQ(admitted, 1'000U) << "the smallest limit among them";
    // Only the shortest windows were ever full: the others count what was admitted, and no more.
    for (std::size_t i = 0; i < rules.size(); ++i) {
      EXPECT_EQ(store.decide(1, now, 0, i).quota.remaining, rules[i].limit - 1'000);
    }
  }
}

}  // namespace
}  // namespace tidegate
