// What a program adds to its limiter: rules of its own, where the log goes, a clock that stands
// still.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/posix/test_segments.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate {
namespace {

using std::chrono::seconds;

class ProgramTest : public posix::SegmentFixture {
 protected:
  ProgramTest() { config_.default_limit.windows.front().limit = 5; }

  std::unique_ptr<Limiter> open() {
    auto limiter = Limiter::open({.config = config_, .warnings = {}, .file = ""});
    EXPECT_TRUE(limiter) << limiter.error().message;
    return std::move(*limiter);
  }
  static EndpointConfig rule(std::string name, std::uint64_t limit) {
    EndpointConfig rule;
    rule.name = std::move(name);
    rule.limit.windows = {{.limit = limit, .window = seconds(60)}};
    return rule;
  }
  static Decision decide(Limiter& limiter, std::optional<std::string_view> rule = std::nullopt,
                         std::string_view target = "/x") {
    Decision decision;
    limiter.decide(
        {.peer = IpAddress::parse("203.0.113.7"), .method = "GET", .target = target, .rule = rule},
        decision);
    return decision;
  }
};

TEST_F(ProgramTest, DecidesByTheRuleThatItNames) {
  const auto limiter = open();
  ASSERT_TRUE(limiter->declare({rule("reports", 2), rule("uploads", 1)}));
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
  const Decision denied = decide(*limiter, "reports");
  EXPECT_FALSE(denied.admitted());
  EXPECT_EQ(denied.endpoint, "reports");
  EXPECT_EQ(denied.path, "/x");
  EXPECT_TRUE(decide(*limiter, "uploads").admitted());
  EXPECT_EQ(decide(*limiter).fields()->remaining, 4U) << "the default rule was not asked before";
  EXPECT_EQ(limiter->peek("ip:203.0.113.7", "reports").value()[0].remaining, 0U);
  EXPECT_EQ(limiter->reset("ip:203.0.113.7", "reports").value(), 1U);
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
}

TEST_F(ProgramTest, DecidesExemptPathsTooWhereItNamesTheRule) {
  const auto limiter = open();
  ASSERT_TRUE(limiter->declare({rule("health", 1)}));
  EXPECT_EQ(decide(*limiter, std::nullopt, "/health").outcome, Outcome::exempt);
  EXPECT_TRUE(decide(*limiter, "health", "/health").admitted());
  EXPECT_FALSE(decide(*limiter, "health", "/health").admitted());
}

TEST_F(ProgramTest, KeepsItsRulesAndTheirCountsOverReloads) {
  const auto limiter = open();
  ASSERT_TRUE(limiter->declare({rule("reports", 2)}));
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
  config_.default_limit.windows.front().limit = 50;
  ASSERT_TRUE(limiter->reload({.config = config_, .warnings = {}, .file = ""}));
  EXPECT_EQ(decide(*limiter).fields()->limit, 50U);
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
  EXPECT_FALSE(decide(*limiter, "reports").admitted());
  ASSERT_TRUE(limiter->declare({rule("reports", 3)})) << "the same name again replaces it";
  EXPECT_TRUE(decide(*limiter, "reports").admitted());
  EXPECT_FALSE(decide(*limiter, "reports").admitted());
}

TEST_F(ProgramTest, KeepsItsRulesWhenAnotherProcessReloads) {
  const auto limiter = open();
  ASSERT_TRUE(limiter->declare({rule("reports", 2)}));
  const auto other = open();
  EXPECT_EQ(decide(*other, "reports").endpoint, "default") << "rules are a process's own";
  config_.default_limit.windows.front().limit = 50;
  ASSERT_TRUE(other->reload({.config = config_, .warnings = {}, .file = ""}));
  for (int i = 0; i < 1000 && limiter->config()->default_limit.windows.front().limit != 50; ++i) {
    limiter->refresh();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(decide(*limiter).fields()->limit, 50U);
  EXPECT_EQ(decide(*limiter, "reports").fields()->limit, 2U);
}

TEST_F(ProgramTest, LetsTheConfigurationHaveTheLastWord) {
  EndpointConfig configured = rule("reports", 9);
  configured.pattern = "/reports";
  config_.endpoints.push_back(configured);
  const auto limiter = open();
  ASSERT_TRUE(limiter->declare({rule("reports", 2)}));
  EXPECT_EQ(decide(*limiter, "reports").fields()->limit, 9U);
}

TEST_F(ProgramTest, SaysEverythingThatIsWrongWithRules) {
  const auto limiter = open();
  EndpointConfig with_pattern = rule("reports", 2);
  with_pattern.pattern = "/reports";
  const auto declared =
      limiter->declare({rule("default", 1), rule("x", 2'000'000'000), with_pattern});
  ASSERT_FALSE(declared);
  EXPECT_GE(declared.error().size(), 3U);
  EXPECT_EQ(decide(*limiter, "x").endpoint, "default") << "nothing was added";
}

TEST_F(ProgramTest, TakesTheLogInsteadOfStandardError) {
  const auto limiter = open();
  std::vector<std::string> lines;
  limiter->log_to([&](LogLevel level, std::string_view line) {
    EXPECT_EQ(level, LogLevel::info);
    lines.emplace_back(line);
  });
  testing::internal::CaptureStderr();
  for (int i = 0; i < 7; ++i) decide(*limiter);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with('{') && lines[0].ends_with('}')) << lines[0];
}

TEST_F(ProgramTest, HasAClockThatMovesByHandWhereItSharesNothing) {
  EXPECT_FALSE(open()->stop_clock());
  config_.memory.segment = "";
  config_.memory.capacity = 1000;
  const auto limiter = open();
  ASSERT_TRUE(limiter->stop_clock());
  const std::uint64_t wall_us = limiter->wall_us();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(decide(*limiter).admitted());
  const Decision denied = decide(*limiter);
  ASSERT_FALSE(denied.admitted());
  const std::uint64_t wait_us = *denied.retry_after_us;
  limiter->advance(std::chrono::microseconds(wait_us - 1));
  EXPECT_FALSE(decide(*limiter).admitted());
  limiter->advance(std::chrono::microseconds(1));
  EXPECT_TRUE(decide(*limiter).admitted());
  EXPECT_EQ(limiter->wall_us(), wall_us + wait_us);
}

}  // namespace
}  // namespace tidegate
