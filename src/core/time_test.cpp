#include "core/time.hpp"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(Time, ATimeSurvivesTheWayThroughTicks) {
  for (const Micros us : {Micros{0}, Micros{1}, Micros{1'800'000'000'000'000}}) {
    EXPECT_EQ(micros_ceil(ticks_from_micros(us)), us);
  }
}

TEST(Time, PartsOfAMicrosecondAreRoundedUp) {
  EXPECT_EQ(micros_ceil(1), 1U);
  EXPECT_EQ(micros_ceil(kTicksPerMicro), 1U);
  EXPECT_EQ(micros_ceil(kTicksPerMicro + 1), 2U);
}

TEST(Time, TimesBeyondTheLatestAreTheLatestAndLeaveRoomForWindows) {
  EXPECT_EQ(ticks_from_micros(~Micros{0}), kLatest);
  EXPECT_GT(kLatest + 4 * kMaxWindow_us * kTicksPerMicro, kLatest);
}

TEST(Time, NothingWrittenWithinYearsIsJunk) {
  constexpr Ticks kNow = ticks_from_micros(1'800'000'000'000'000);
  constexpr Ticks kYear = kMaxWindow_us * kTicksPerMicro;
  for (const Ticks now : {Ticks{0}, kNow, kLatest}) {
    EXPECT_FALSE(is_junk(0, now));
    EXPECT_FALSE(is_junk(now, now));
    EXPECT_FALSE(is_junk(now + 3 * kYear, now)) << "the longest word there is";
  }
  EXPECT_FALSE(is_junk(kNow + 8 * kYear, kNow));
  EXPECT_TRUE(is_junk(kNow + 8 * kYear + 1, kNow));
  EXPECT_TRUE(is_junk(~Ticks{0}, kNow));
}

TEST(Time, SumsStopAtTheLargestNumber) {
  EXPECT_EQ(saturating_add(2, 3), 5U);
  EXPECT_EQ(saturating_add(~std::uint64_t{0} - 3, 3), ~std::uint64_t{0});
  EXPECT_EQ(saturating_add(~std::uint64_t{0} - 3, 4), ~std::uint64_t{0});
  EXPECT_EQ(saturating_add(~std::uint64_t{0}, ~std::uint64_t{0}), ~std::uint64_t{0});
}

}  // namespace
}  // namespace tidegate
