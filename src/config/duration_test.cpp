#include "config/duration.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tidegate::config {
namespace {

using std::chrono::microseconds;
constexpr microseconds kMost{std::numeric_limits<std::int64_t>::max()};

TEST(ParseDuration, TakesOneIntegerAndOneUnit) {
  EXPECT_EQ(parse_duration("500ms"), microseconds(500'000));
  EXPECT_EQ(parse_duration("30s"), microseconds(30'000'000));
  EXPECT_EQ(parse_duration("5m"), microseconds(300'000'000));
  EXPECT_EQ(parse_duration("1h"), microseconds(3'600'000'000));
  EXPECT_EQ(parse_duration("366d"), microseconds(366LL * 86'400'000'000));
  EXPECT_EQ(parse_duration("0s"), microseconds(0));
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "s", "60", "1.5s", "-1s", "+1s", "1 s", " 1s", "1s ", "1m30s", "1S",
                           "1us", "1w", "1sec", "0x1s", "1_000s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ParseDuration, NeverWrapsAround) {
  EXPECT_EQ(parse_duration("106751991d"), microseconds(106'751'991LL * 86'400'000'000));
  EXPECT_EQ(parse_duration("106751992d"), kMost);
  EXPECT_EQ(parse_duration("18446744073709551616ms"), kMost);
  EXPECT_EQ(parse_duration(std::string(1000, '9') + "d"), kMost);
  EXPECT_EQ(duration_from_seconds(std::numeric_limits<std::int64_t>::max()), kMost);
  EXPECT_FALSE(duration_from_seconds(-1));
}

TEST(FormatDuration, IsReadBack) {
  for (const char* text : {"1ms", "999ms", "1s", "60s", "61s", "2m", "90m", "1h", "1d", "366d"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
  EXPECT_EQ(format_duration(*parse_duration("1m")), "60s");
  EXPECT_EQ(format_duration(microseconds(0)), "0ms");
}

}  // namespace
}  // namespace tidegate::config
