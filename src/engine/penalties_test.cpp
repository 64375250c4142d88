// Progressive penalties as a client sees them.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "engine/test_engine.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr Micros kSecond_us = 1'000'000;

/// One request a minute; the third violation within an hour locks out for a minute, then 2, 4, 8.
RateLimitConfig strict() {
  RateLimitConfig config;
  config.default_limit = limit_of(1);
  config.progressive_penalties.enabled = true;
  return config;
}

const Request kHello{.method = "GET", .target = "/hello"};

/// Uses up a window of 60 s and asks once more. Returns the answer to that.
Decision violate(const Bench& bench, Micros at_us) {
  EXPECT_TRUE(bench.decide(kHello, at_us).admitted()) << at_us - kNow;
  return bench.decide(kHello, at_us);
}

TEST(Penalties, AreOffUnlessAskedFor) {
  RateLimitConfig config = strict();
  config.progressive_penalties.enabled = false;
  const Bench bench(config);
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(violate(bench, kNow + i * 60 * kSecond_us).denial, Denial::rate_limit_exceeded);
  }
}

TEST(Penalties, TheThirdViolationLocksOutAndEachFurtherOneForLonger) {
  const Bench bench(strict());
  Micros at_us = kNow;
  for (int i = 0; i < 2; ++i, at_us += 60 * kSecond_us) {
    EXPECT_EQ(violate(bench, at_us).retry_after_us, 60 * kSecond_us);
  }
  for (const Micros minutes : {1U, 2U, 4U, 8U, 8U}) {
    // It is rejected for its limit; whoever waits as long as it says gets in.
    const Decision starts = violate(bench, at_us);
    EXPECT_EQ(starts.denial, Denial::rate_limit_exceeded);
    EXPECT_EQ(starts.retry_after_us, minutes * 60 * kSecond_us);
    if (minutes > 1) {
      const Decision locked = bench.decide(kHello, at_us + 61 * kSecond_us);
      EXPECT_EQ(locked.status(), 429U);
      EXPECT_EQ(locked.denial, Denial::penalty_active);
      EXPECT_EQ(locked.retry_after_us, (minutes * 60 - 61) * kSecond_us);
      ASSERT_NE(locked.fields(), nullptr);
      EXPECT_EQ(locked.fields()->remaining, 1U) << "nothing is charged meanwhile";
    }
    at_us += minutes * 60 * kSecond_us;
  }
}

TEST(Penalties, OneViolationAWindow) {
  const Bench bench(strict());
  EXPECT_TRUE(bench.decide(kHello).admitted());
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Decision denied = bench.decide(kHello, kNow + i * kSecond_us / 2);
    EXPECT_EQ(denied.denial, Denial::rate_limit_exceeded) << i;
  }
}

TEST(Penalties, ViolationsAreCountedAnewAfterTheDetectionWindow) {
  RateLimitConfig config = strict();
  config.progressive_penalties.detection_window = 5min;
  const Bench bench(config);
  const Micros minute_us = 60 * kSecond_us;
  violate(bench, kNow);
  violate(bench, kNow + minute_us);
  // Exactly five minutes after the first it is out.
  EXPECT_EQ(violate(bench, kNow + 5 * minute_us).retry_after_us, minute_us);
  EXPECT_EQ(violate(bench, kNow + 6 * minute_us).retry_after_us, minute_us);
  EXPECT_EQ(violate(bench, kNow + 7 * minute_us).retry_after_us, minute_us);
  EXPECT_EQ(violate(bench, kNow + 8 * minute_us).retry_after_us, 2 * minute_us);
}

TEST(Penalties, HoldOverAllRulesOfTheClientAndNobodyElses) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  config.progressive_penalties.penalty_multipliers = {10};
  config.endpoints.push_back(endpoint("search", "/search/*", limit_of(5)));
  LimitConfig unlimited;
  unlimited.windows.clear();
  config.endpoints.push_back(endpoint("free", "/free", unlimited));
  config.endpoints.push_back(endpoint("closed", "/closed", limit_of(0)));
  const Bench bench(config);
  violate(bench, kNow);

  const Decision elsewhere = bench.decide({.method = "GET", .target = "/search/x"});
  EXPECT_EQ(elsewhere.denial, Denial::penalty_active);
  EXPECT_EQ(elsewhere.endpoint, "search");
  EXPECT_EQ(elsewhere.fields()->remaining, 5U);
  const Decision closed = bench.decide({.method = "GET", .target = "/closed"});
  EXPECT_EQ(closed.denial, Denial::penalty_active) << "comes before maintenance";
  const Decision unlimited_too = bench.decide({.method = "GET", .target = "/free"});
  EXPECT_EQ(unlimited_too.denial, Denial::penalty_active);
  EXPECT_EQ(unlimited_too.retry_after_us, 600 * kSecond_us);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/health"}).outcome, Outcome::exempt);

  Request other = kHello;
  other.peer = IpAddress::parse("203.0.113.8");
  EXPECT_TRUE(bench.decide(other).admitted());
}

TEST(Penalties, ThatOfAUserFollowsHimToEveryAddress) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  config.endpoints.push_back(endpoint("shared", "/shared", limit_of(1)));
  config.endpoints[0].per = Per::all;
  const Bench bench(config);
  const Request shared{.method = "GET", .target = "/shared", .client = "user:42"};
  EXPECT_TRUE(bench.decide(shared).admitted());
  EXPECT_FALSE(bench.decide(shared).admitted());
  const Request later{.peer = IpAddress::parse("2001:db8::1"),
                      .method = "GET",
                      .target = "/x",
                      .client = "user:42"};
  EXPECT_EQ(bench.decide(later).denial, Denial::penalty_active);
  EXPECT_TRUE(bench.decide(kHello).admitted()) << "an address that did nothing";
}

TEST(Penalties, WhatNobodyCouldHavePassedIsNoViolation) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  config.endpoints.push_back(endpoint("closed", "/closed", limit_of(0)));
  config.endpoints.push_back(endpoint("tried", "/tried", limit_of(1)));
  config.endpoints[1].shadow = true;
  const Bench bench(config);
  Request heavy = kHello;
  heavy.cost = 2;
  EXPECT_EQ(bench.decide(heavy).denial, Denial::cost_exceeds_limit);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/closed"}).denial, Denial::maintenance);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(bench.decide({.method = "GET", .target = "/tried"}).admitted());
  }
  EXPECT_TRUE(bench.decide(kHello).admitted());
}

TEST(Penalties, TheWindowThatTheAnswerNamesSetsTheLength) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  config.progressive_penalties.penalty_multipliers = {3};
  config.default_limit.windows = {{.limit = 2, .window = 1s}, {.limit = 2, .window = 20s}};
  const Bench bench(config);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bench.decide(kHello).admitted());
  const Decision denied = bench.decide(kHello);
  EXPECT_EQ(denied.denial, Denial::multiple_windows_exceeded);
  EXPECT_EQ(denied.fields()->window_us, 20 * kSecond_us);
  EXPECT_EQ(denied.retry_after_us, 60 * kSecond_us);
}

TEST(Penalties, AreForgottenWithTheClientAndNotWithARule) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  const Bench bench(config);
  const std::string client = "ip:203.0.113.7";
  violate(bench, kNow);
  EXPECT_EQ(bench.engine().peek_cooldown(client, kNow + kSecond_us), 59 * kSecond_us);
  EXPECT_EQ(bench.engine().reset(client, "default", kNow), 1U);
  EXPECT_EQ(bench.decide(kHello).denial, Denial::penalty_active);
  EXPECT_EQ(bench.engine().reset(client, "", kNow), 1U);
  EXPECT_EQ(bench.engine().peek_cooldown(client, kNow), 0U);
  EXPECT_TRUE(bench.decide(kHello).admitted());
}

TEST(Penalties, LastAYearAtMost) {
  RateLimitConfig config = strict();
  config.progressive_penalties.violation_threshold = 1;
  config.progressive_penalties.penalty_multipliers = {1'000'000};
  config.default_limit = limit_of(1, 24h * 366);
  const Bench bench(config);
  EXPECT_EQ(violate(bench, kNow).retry_after_us, kMaxWindow_us);
  EXPECT_FALSE(bench.decide(kHello, kNow + kMaxWindow_us - 1).admitted());
  EXPECT_TRUE(bench.decide(kHello, kNow + kMaxWindow_us).admitted());
}

}  // namespace
}  // namespace tidegate
