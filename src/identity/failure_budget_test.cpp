#include "identity/failure_budget.hpp"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

constexpr Micros kNow = 1'800'000'000'000'000;
constexpr Micros kSecond = 1'000'000;
constexpr std::uint64_t kSomebody = 0x1234'5678'9abc'def0;

TEST(FailureBudget, IsSpentByFailuresWithinASecond) {
  FailureBudget budget(3);
  EXPECT_FALSE(budget.spent(kSomebody, kNow));
  budget.spend(kSomebody, kNow, 1);
  budget.spend(kSomebody, kNow, 1);
  EXPECT_FALSE(budget.spent(kSomebody, kNow));
  budget.spend(kSomebody, kNow, 1);
  EXPECT_TRUE(budget.spent(kSomebody, kNow + kSecond - 1));
  EXPECT_FALSE(budget.spent(kSomebody, kNow + kSecond));
  budget.spend(kSomebody, kNow + kSecond, 5);
  EXPECT_TRUE(budget.spent(kSomebody, kNow + kSecond)) << "a costly failure counts for several";
  EXPECT_FALSE(budget.spent(kSomebody, kNow - 3'600 * kSecond)) << "a clock that goes back";
}

TEST(FailureBudget, IsEverybodysOwn) {
  FailureBudget budget(1);
  budget.spend(kSomebody, kNow, 1);
  EXPECT_TRUE(budget.spent(kSomebody, kNow));
  // Of one set, and of another.
  EXPECT_FALSE(budget.spent(kSomebody ^ std::uint64_t{1} << 60, kNow));
  EXPECT_FALSE(budget.spent(kSomebody ^ 1, kNow));
}

TEST(FailureBudget, IsNotSpentByAFloodOfOthers) {
  FailureBudget budget(10);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    budget.spend(i * 0x9e37'79b9'7f4a'7c15, kNow, 1'000);
  }
  std::size_t spent = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    spent += budget.spent((i + 2'000'000) * 0x9e37'79b9'7f4a'7c15, kNow) ? 1 : 0;
  }
  EXPECT_LE(spent, 3U);
}

TEST(FailureBudget, ForgetsWhoHasFailedLeastFirst) {
  FailureBudget budget(2);
  const auto somebody = [](std::uint64_t i) { return kSomebody ^ i << 40; };
  budget.spend(somebody(0), kNow, 1'000'000);
  for (std::uint64_t i = 1; i < 100; ++i) budget.spend(somebody(i), kNow, 1);
  EXPECT_TRUE(budget.spent(somebody(0), kNow));
}

}  // namespace
}  // namespace tidegate
