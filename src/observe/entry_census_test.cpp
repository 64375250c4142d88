#include "observe/entry_census.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tidegate {
namespace {

constexpr Micros kNow_us = 1'800'000'000'000'000;
constexpr Micros kSecond_us = 1'000'000;

/// A table whose parts are told how much they hold, and when each was looked at.
struct Table {
  explicit Table(std::size_t parts) : holds(parts), looked_us(parts) {}
  std::vector<std::uint64_t> holds;
  std::vector<Micros> looked_us;

  /// Refreshes and returns how many parts that looked at.
  std::size_t refresh(EntryCensus& census, Micros now_us) {
    std::size_t looked = 0;
    census.refresh(now_us, [&](std::size_t part, std::size_t parts) {
      EXPECT_EQ(parts, holds.size());
      looked_us.at(part) = now_us;
      ++looked;
      return holds.at(part);
    });
    return looked;
  }
};

TEST(EntryCensus, CountsEverythingTheFirstTime) {
  EntryCensus census(1'000'000);
  Table table(census.parts());
  for (std::size_t i = 0; i < table.holds.size(); ++i) table.holds[i] = i;
  EXPECT_EQ(table.refresh(census, kNow_us), table.holds.size());
  EXPECT_EQ(census.entries(), table.holds.size() * (table.holds.size() - 1) / 2);
}

TEST(EntryCensus, LooksAtFewPartsASecondAndIsNeverOld) {
  EntryCensus census(1'000'000);
  Table table(census.parts());
  table.refresh(census, kNow_us);
  const Micros life_us = EntryCensus::kLife_us;
  for (Micros t = kSecond_us; t <= 3 * life_us; t += kSecond_us) {
    EXPECT_LE(table.refresh(census, kNow_us + t), table.holds.size() * kSecond_us / life_us + 1);
    // The parts of a refresh share its time, and one second is between two.
    EXPECT_LE(kNow_us + t - *std::ranges::min_element(table.looked_us), life_us + 2 * kSecond_us);
  }
}

TEST(EntryCensus, LosesNoTimeWhenAskedOften) {
  EntryCensus census(1'000'000);
  Table table(census.parts());
  table.refresh(census, kNow_us);
  std::size_t looked = 0;
  for (Micros t = 0; t <= EntryCensus::kLife_us; t += 10'000) {
    looked += table.refresh(census, kNow_us + t);
  }
  EXPECT_GE(looked, table.holds.size() * 9 / 10);
}

TEST(EntryCensus, IsExactAfterALongWhileAndForASmallTable) {
  EntryCensus large(1'000'000);
  Table table(large.parts());
  table.refresh(large, kNow_us);
  table.holds.assign(table.holds.size(), 2);
  table.refresh(large, kNow_us + EntryCensus::kLife_us);
  EXPECT_EQ(large.entries(), 2 * table.holds.size());
  EXPECT_EQ(EntryCensus(1).parts(), 1U);
}

TEST(EntryCensus, BearsATimeThatGoesBack) {
  EntryCensus census(1'000'000);
  Table table(census.parts());
  table.refresh(census, kNow_us);
  EXPECT_EQ(table.refresh(census, kNow_us - kSecond_us), 0U);
}

}  // namespace
}  // namespace tidegate
