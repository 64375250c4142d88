#include "engine/access_replay.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/test_engine.hpp"

namespace tidegate {
namespace {

RateLimitConfig limits(std::uint64_t limit,
                       std::chrono::microseconds window = std::chrono::seconds(60)) {
  RateLimitConfig config;
  config.default_limit = limit_of(limit, window);
  config.memory.capacity = 1'000;
  config.memory.log_slots = 1'000;
  return config;
}

/// A line at 10:MM:SS.
std::string line(const std::string& client, const std::string& target, unsigned second = 0,
                 unsigned minute = 0) {
  return fmt::format(
      R"({} - - [24/Nov/2026:10:{:02}:{:02} +0000] "GET {} HTTP/1.1" 200 1 "-" "agent")", client,
      minute, second, target);
}

AccessReplay make(const RateLimitConfig& config, const RateLimitConfig* other = nullptr) {
  return AccessReplay::create(config, other).value();
}

std::uint64_t rejected(const AccessReplay& replay, std::size_t which = 0) {
  return replay.tally(which).of(Outcome::denied);
}

TEST(AccessReplay, CountsWhoWouldHaveBeenLimitedAndHowOften) {
  AccessReplay replay = make(limits(3));
  for (int i = 0; i < 5; ++i) replay.line(line("203.0.113.1", "/x"));
  for (int i = 0; i < 2; ++i) replay.line(line("203.0.113.2", "/y", 1));
  for (int i = 0; i < 4; ++i) replay.line(line("203.0.113.1", "/x", 0, 1));
  replay.finish();
  EXPECT_EQ(replay.decided(), 11U);
  EXPECT_EQ(rejected(replay), 3U);
  ASSERT_EQ(replay.clients().size(), 2U);
  EXPECT_EQ(replay.clients().find("ip:203.0.113.1")->second.requests, 9U);
  EXPECT_EQ(replay.clients().find("ip:203.0.113.1")->second.rejected[0], 3U);
  EXPECT_EQ(replay.clients().find("ip:203.0.113.2")->second.rejected[0], 0U);
  EXPECT_EQ(replay.last_s() - *replay.first_s(), 60U);
}

TEST(AccessReplay, CountsByRuleAndNamesThoseThatNeverMatched) {
  RateLimitConfig config = limits(10);
  config.endpoints.push_back(endpoint("search", "/search/*", limit_of(1)));
  config.endpoints.push_back(endpoint("admin", "/admin/**", limit_of(1)));
  AccessReplay replay = make(config);
  for (int i = 0; i < 3; ++i) replay.line(line("203.0.113.1", "/search/x"));
  replay.line(line("203.0.113.1", "/y"));
  replay.line(line("203.0.113.1", "/health"));
  replay.finish();
  const auto& rules = replay.tally(0).rules;
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules[0].matched, 1U);
  EXPECT_EQ(rules[2].matched, 3U);
  EXPECT_EQ(rules[2].rejected, 2U);
  EXPECT_EQ(replay.tally(0).of(Outcome::exempt), 1U);
  EXPECT_NE(report(replay, 10).find("never matched: preflight, admin\n"), std::string::npos)
      << report(replay, 10);
}

TEST(AccessReplay, SpreadsTheLinesOfASecondOverIt) {
  // Two requests in each half of a second are within the limit, four at one moment are not.
  AccessReplay replay = make(limits(2, std::chrono::milliseconds(500)));
  for (int i = 0; i < 4; ++i) replay.line(line("203.0.113.1", "/x"));
  for (int i = 0; i < 6; ++i) replay.line(line("203.0.113.1", "/x", 1));
  replay.finish();
  EXPECT_EQ(rejected(replay), 2U) << "one in each half of the second second";
}

TEST(AccessReplay, TakesALateLineAsOfTheSecondThatWasReached) {
  AccessReplay replay = make(limits(2));
  replay.line(line("203.0.113.1", "/x", 5, 10));
  replay.line(line("203.0.113.1", "/x", 59, 9));
  replay.line(line("203.0.113.1", "/x", 58, 9));
  replay.finish();
  EXPECT_EQ(replay.decided(), 3U);
  EXPECT_EQ(rejected(replay), 1U) << "all three are of one minute now";
}

TEST(AccessReplay, LeavesOutWhatIsFarTooLate) {
  AccessReplay replay = make(limits(2));
  replay.line(line("203.0.113.1", "/x"));
  replay.line(R"(203.0.113.1 - - [24/Nov/2026:08:59:59 +0000] "GET / HTTP/1.1" 200 1)");
  replay.line("rubbish");
  replay.line("rubbish");
  replay.finish();
  EXPECT_EQ(replay.decided(), 1U);
  EXPECT_EQ(replay.skipped(AccessLineFault::order).lines, 1U);
  EXPECT_EQ(replay.skipped(AccessLineFault::order).first, 2U);
  EXPECT_EQ(replay.skipped(AccessLineFault::format).lines, 2U);
  EXPECT_EQ(replay.skipped(AccessLineFault::format).first, 3U);
}

TEST(AccessReplay, ShowsWhatAnotherConfigurationWouldChange) {
  const RateLimitConfig before = limits(3);
  RateLimitConfig after = limits(2);
  after.endpoints.push_back(endpoint("search", "/search", limit_of(100)));
  AccessReplay replay = make(before, &after);
  for (int i = 0; i < 3; ++i) replay.line(line("203.0.113.1", "/x"));       // 0 then, 1 now
  for (int i = 0; i < 5; ++i) replay.line(line("203.0.113.2", "/search"));  // 2 then, 0 now
  for (int i = 0; i < 4; ++i) replay.line(line("203.0.113.3", "/x"));       // 1 then, 2 now
  replay.finish();
  EXPECT_EQ(rejected(replay, 0), 3U);
  EXPECT_EQ(rejected(replay, 1), 3U);
  EXPECT_EQ(replay.tally(0).rejected_only, 2U);
  EXPECT_EQ(replay.tally(1).rejected_only, 2U);
  const std::string text = report(replay, 10);
  EXPECT_NE(text.find("         3           3           2           2  all requests\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("         2           0           0           2  ip:203.0.113.2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("3 of 3 clients would be answered differently\n"), std::string::npos) << text;
}

TEST(AccessReplay, KnowsClientsByTheUserAgentIfTheConfigurationAsksForIt) {
  RateLimitConfig config = limits(1);
  config.client_identification.identify = {"header:user-agent"};
  AccessReplay replay = make(config);
  replay.line(line("203.0.113.1", "/x"));
  replay.line(line("203.0.113.2", "/x"));
  replay.finish();
  EXPECT_EQ(rejected(replay), 1U) << "both are the same agent";
}

TEST(AccessReplay, SaysThatItsTableWasTooSmall) {
  RateLimitConfig config = limits(3);
  config.memory.capacity = 64;
  AccessReplay replay = make(config);
  for (int i = 0; i < 5'000; ++i) {
    replay.line(line(fmt::format("10.0.{}.{}", i / 250, i % 250), "/x"));
  }
  replay.finish();
  EXPECT_GT(replay.overflow(0), 0U);
  EXPECT_NE(report(replay, 10).find("raise capacity"), std::string::npos);
}

TEST(AccessReplay, NamesAsManyClientsAsAskedForTheMostLimitedFirst) {
  AccessReplay replay = make(limits(1));
  for (int client = 1; client <= 5; ++client) {
    for (int i = 0; i <= client; ++i) {
      replay.line(line(fmt::format("203.0.113.{}", client), "/x"));
    }
  }
  replay.finish();
  const std::string text = report(replay, 2);
  const auto first = text.find("         5            6  ip:203.0.113.5\n");
  const auto second = text.find("         4            5  ip:203.0.113.4\n");
  EXPECT_NE(first, std::string::npos) << text;
  EXPECT_NE(second, std::string::npos) << text;
  EXPECT_LT(first, second);
  EXPECT_NE(text.find("  and 3 more\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("ip:203.0.113.3"), std::string::npos) << text;
}

TEST(AccessReplay, CountsClientsTogetherThatItHasNoRoomFor) {
  const RateLimitConfig config = limits(1);
  AccessReplay replay = AccessReplay::create(config, nullptr, 2).value();
  for (int client = 1; client <= 4; ++client) {
    for (int i = 0; i < 3; ++i) replay.line(line(fmt::format("203.0.113.{}", client), "/x"));
  }
  replay.finish();
  EXPECT_EQ(replay.clients().size(), 2U);
  EXPECT_EQ(rejected(replay), 8U) << "limits are each client's own all the same";
  EXPECT_NE(
      report(replay, 10)
          .find("6 requests, 4 of them rejected, are of clients beyond the 2 that are told apart"),
      std::string::npos)
      << report(replay, 10);
}

TEST(AccessReplay, HoldsBackNoMoreOfASecondThanItHasRoomFor) {
  // Half a million in one second: what is held back is decided before the second is over.
  constexpr std::uint64_t kLines = 500'000;
  const RateLimitConfig config = limits(400'000);
  AccessReplay replay = make(config);
  const std::string text = line("203.0.113.1", "/x");
  for (std::uint64_t i = 0; i < kLines; ++i) replay.line(text);
  EXPECT_GT(replay.decided(), 0U) << "else all of it would be in memory";
  replay.finish();
  EXPECT_EQ(replay.decided(), kLines);
  EXPECT_EQ(rejected(replay), kLines - 400'000);
}

TEST(AccessReplay, HasNothingToSayAboutAnEmptyLog) {
  AccessReplay replay = make(limits(1));
  replay.finish();
  EXPECT_EQ(report(replay, 10), "0 lines read, 0 decided, 0 skipped\n");
}

}  // namespace
}  // namespace tidegate
