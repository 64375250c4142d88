#include <gtest/gtest.h>

#include <chrono>

#include "algo/algorithms.hpp"

namespace tidegate {
namespace {

constexpr Micros kEdge = 1'800'000'000'000'000;  // a window of a second begins here

const Window kWindow = make_window(Algorithm::fixed_window,
                                   {.limit = 3, .window = std::chrono::microseconds(1'000'000)});

Step at(Micros us, Ticks word, std::uint64_t cost) {
  return step(kWindow, word, ticks_from_micros(us), cost);
}

TEST(FixedWindow, CountsFromEdgeToEdge) {
  Ticks word = at(kEdge - 1, 0, 3).word;
  EXPECT_FALSE(at(kEdge - 1, word, 1).admitted);
  EXPECT_TRUE(at(kEdge, word, 3).admitted);
  word = at(kEdge, word, 3).word;
  EXPECT_FALSE(at(kEdge + 999'999, word, 1).admitted);
  EXPECT_TRUE(at(kEdge + 1'000'000, word, 1).admitted);
}

TEST(FixedWindow, TellsToWaitForTheNextEdge) {
  const Ticks word = at(kEdge + 400'000, 0, 2).word;
  const Quota quota = inspect(kWindow, word, ticks_from_micros(kEdge + 400'000), 2);
  EXPECT_EQ(quota.remaining, 1U);
  EXPECT_EQ(quota.reset_us, 600'000U);
  EXPECT_EQ(quota.retry_after_us, 600'000U);
  EXPECT_EQ(quota.more_after_us, 600'000U);
}

TEST(FixedWindow, ALateClockDoesNotOpenAnOldWindowAgain) {
  Ticks word = at(kEdge - 1, 0, 3).word;
  word = at(kEdge, word, 2).word;
  EXPECT_FALSE(at(kEdge - 1, word, 2).admitted);
  const Step late = at(kEdge - 1, word, 1);
  EXPECT_TRUE(late.admitted);
  EXPECT_FALSE(at(kEdge, late.word, 1).admitted) << "it was counted in the later window";
  EXPECT_EQ(inspect(kWindow, late.word, ticks_from_micros(kEdge - 1), 1).retry_after_us,
            1'000'001U);
}

}  // namespace
}  // namespace tidegate
