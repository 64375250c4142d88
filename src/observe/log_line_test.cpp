#include "observe/log_line.hpp"

#include <gtest/gtest.h>

#include <string>

#include "observe/test_decisions.hpp"

namespace tidegate {
namespace {

constexpr Micros kWall_us = 1'795'558'291'123'999;  // 2026-11-24T22:11:31.123999Z

std::string line_of(const Decision& decision, LogLevel level = LogLevel::info) {
  std::string out;
  append_log_line(decision, level, kWall_us, "abc-1", 3, out);
  return out;
}

TEST(LogLine, HoldsEveryMemberOfAViolation) {
  EXPECT_EQ(
      line_of(a_decision("ip:203.0.113.7", Outcome::denied, "search", "premium")),
      R"({"timestamp":"2026-11-24T22:11:31.123Z","level":"info","event":"rate_limit_exceeded",)"
      R"("client_id":"ip:203.0.113.7","client_type":"ip","endpoint":"search","tier":"premium",)"
      R"("limit_config":{"limit":20,"window_seconds":60,"algorithm":"sliding_window_counter"},)"
      R"("current_count":20,"status":"denied","retry_after":2,"request_id":"abc-1",)"
      R"("suppressed":3})"
      "\n");
}

TEST(LogLine, SaysWhatAnAllowedCheckHasUsed) {
  const std::string line = line_of(a_decision("ip:203.0.113.7", Outcome::allowed), LogLevel::debug);
  EXPECT_NE(line.find(R"("level":"debug","event":"rate_limit_checked")"), std::string::npos)
      << line;
  EXPECT_NE(line.find(R"("current_count":15,"status":"allowed","retry_after":null)"),
            std::string::npos)
      << line;
}

TEST(LogLine, NamesWindowsBelowASecond) {
  Decision decision = a_decision("ip:1.2.3.4", Outcome::denied);
  decision.windows.front().window_us = 500'000;
  EXPECT_NE(line_of(decision).find(R"("window_seconds":0.5,)"), std::string::npos);
}

TEST(LogLine, CountsNothingBelowZeroWhereABurstLeavesMoreThanTheLimit) {
  Decision decision = a_decision("ip:1.2.3.4", Outcome::allowed);
  decision.windows.front().remaining = 35;
  EXPECT_NE(line_of(decision).find(R"("current_count":0,)"), std::string::npos);
}

TEST(LogLine, StaysOneLineWhateverTheClientIsCalled) {
  std::string every_byte = "user:";
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  const std::string line = line_of(a_decision(every_byte, Outcome::denied));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  for (const char c : line.substr(0, line.size() - 1)) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
  EXPECT_NE(line.find(R"(\u0000\u0001)"), std::string::npos);
}

TEST(LogLine, WritesEventsWithTheirMessage) {
  std::string out;
  append_log_line(LogLevel::warning, kWall_us, "worker_replaced", "worker 7 \"died\"", out);
  EXPECT_EQ(out, R"({"timestamp":"2026-11-24T22:11:31.123Z","level":"warning",)"
                 R"("event":"worker_replaced","message":"worker 7 \"died\""})"
                 "\n");
}

TEST(LogLine, WritesTimestampsOfOtherDays) {
  std::string out;
  append_log_line(LogLevel::info, 951'782'400'000'000, "e", "m", out);  // a leap day
  EXPECT_NE(out.find("2000-02-29T00:00:00.000Z"), std::string::npos) << out;
}

TEST(RequestId, IsRepeatedOnlyIfItIsPlain) {
  EXPECT_TRUE(is_request_id("A-z_0.9"));
  EXPECT_TRUE(is_request_id(std::string(128, 'x')));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id(std::string(129, 'x')));
  for (const char* const bad : {"a b", "a\"", "a\n", "a\\", "\xc3\xa4", "a/b"}) {
    EXPECT_FALSE(is_request_id(bad)) << bad;
  }
}

TEST(RequestId, IsMadeOfHexDigits) {
  EXPECT_EQ(make_request_id(0xab), "00000000000000ab");
  EXPECT_TRUE(is_request_id(make_request_id(~0ULL)));
}

}  // namespace
}  // namespace tidegate
