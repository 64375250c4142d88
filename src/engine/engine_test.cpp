#include "engine/engine.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr Micros kNow = 1'800'000'000'000'000;

class Headers final : public HeaderLines {
 public:
  explicit Headers(std::map<std::string, std::string> lines) : lines_(std::move(lines)) {}
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    if (const auto found = lines_.find(std::string(name)); found != lines_.end())
      use(found->second);
  }

 private:
  std::map<std::string, std::string> lines_;
};

LimitConfig limit_of(std::uint64_t limit, std::chrono::microseconds window = 60s) {
  return {.algorithm = Algorithm::fixed_window, .windows = {{.limit = limit, .window = window}}};
}

/// An engine on a table of its own.
class Bench {
 public:
  explicit Bench(const RateLimitConfig& config) {
    const StoreGeometry geometry{.capacity = 1'000, .log_slots = 1'000};
    memory_.resize(MemoryStore::bytes_needed(geometry) + kPage);
    void* start = memory_.data();
    std::size_t space = memory_.size();
    std::align(kPage, MemoryStore::bytes_needed(geometry), start, space);
    const std::span bytes{static_cast<std::byte*>(start), MemoryStore::bytes_needed(geometry)};
    MemoryStore::format(bytes, geometry);
    store_ = MemoryStore::attach(bytes, geometry).value();
    std::shared_ptr<const Policy> policy = Policy::compile(config, HashKey{1, 2}).value();
    EXPECT_TRUE(store_->bind(policy->counters(), policy->fingerprint(), true).has_value());
    engine_ = std::make_unique<Engine>(std::move(policy), *store_);
  }

  Decision decide(Request request, Micros now_us = kNow) const {
    if (!request.peer) request.peer = IpAddress::parse("203.0.113.7");
    Decision decision;
    engine_->decide(request, now_us, decision);
    return decision;
  }
  const Engine& engine() const { return *engine_; }

 private:
  static constexpr std::size_t kPage = 4096;
  std::vector<std::byte> memory_;
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<Engine> engine_;
};

EndpointConfig endpoint(std::string name, std::string pattern, LimitConfig limit) {
  EndpointConfig config;
  config.name = std::move(name);
  config.pattern = std::move(pattern);
  config.limit = std::move(limit);
  return config;
}

TEST(Engine, CountsAClientUpToTheLimitAndSaysWhenToComeBack) {
  RateLimitConfig config;
  config.default_limit = limit_of(2);
  const Bench bench(config);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/a"}).fields()->remaining, 1U);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/b"}).fields()->remaining, 0U);
  const Decision denied = bench.decide({.method = "GET", .target = "/c"});
  EXPECT_EQ(denied.status(), 429U);
  EXPECT_EQ(denied.denial, Denial::rate_limit_exceeded);
  ASSERT_TRUE(denied.retry_after_us);
  EXPECT_TRUE(
      bench.decide({.method = "GET", .target = "/c"}, kNow + *denied.retry_after_us).admitted());
}

TEST(Engine, SwitchedOffItLetsEverythingThroughWithoutFields) {
  RateLimitConfig config;
  config.enabled = false;
  config.default_limit = limit_of(0);
  const Decision decision = Bench(config).decide({.method = "GET", .target = "/"});
  EXPECT_TRUE(decision.admitted());
  EXPECT_EQ(decision.fields(), nullptr);
}

TEST(Engine, ExemptPathsAndAddressesAreNotCounted) {
  RateLimitConfig config;
  config.default_limit = limit_of(1);
  config.exemptions.push_back({ExemptionConfig::Type::ip, "10.0.0.0/8"});
  const Bench bench(config);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(bench.decide({.method = "GET", .target = "/health"}).outcome, Outcome::exempt);
    const Request trusted{.peer = IpAddress::parse("10.1.2.3"), .method = "GET", .target = "/x"};
    EXPECT_EQ(bench.decide(trusted).outcome, Outcome::exempt);
  }
}

TEST(Engine, APathWithTwoReadingsIsChargedToBothRulesAndExemptOnlyIfBothAre) {
  RateLimitConfig config;
  config.default_limit = limit_of(10);
  config.endpoints.push_back(endpoint("search", "/search/*", limit_of(2)));
  const Bench bench(config);
  const Decision both = bench.decide({.method = "GET", .target = "/search%2Fx"});
  ASSERT_EQ(both.windows.size(), 2U);
  EXPECT_EQ(both.endpoint, "search");  // the tighter of the two
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/search/x"}).fields()->remaining, 0U);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/other"}).fields()->remaining, 8U);

  EXPECT_NE(bench.decide({.method = "GET", .target = "/health;x/y"}).outcome, Outcome::exempt);
}

TEST(Engine, TwoTargetsAreChargedLikeTwoReadings) {
  RateLimitConfig config;
  config.default_limit = limit_of(10);
  config.endpoints.push_back(endpoint("search", "/search/*", limit_of(1)));
  const Bench bench(config);
  const Request request{.method = "GET", .target = "/harmless", .other_target = "/search/x"};
  EXPECT_TRUE(bench.decide(request).admitted());
  EXPECT_EQ(bench.decide(request).endpoint, "search");
  EXPECT_FALSE(bench.decide({.method = "GET", .target = "/search/y"}).admitted());
}

TEST(Engine, WhatOneWindowRejectsIsTakenFromNone) {
  RateLimitConfig config;
  config.default_limit = {.algorithm = Algorithm::fixed_window,
                          .windows = {{.limit = 1, .window = 1s}, {.limit = 3, .window = 10s}}};
  const Bench bench(config);
  EXPECT_TRUE(bench.decide({.method = "GET", .target = "/"}).admitted());
  for (int i = 0; i < 5; ++i)
    EXPECT_FALSE(bench.decide({.method = "GET", .target = "/"}).admitted());
  const Decision next = bench.decide({.method = "GET", .target = "/"}, kNow + 1'000'000);
  ASSERT_EQ(next.windows.size(), 2U);
  EXPECT_EQ(next.windows[1].remaining, 1U);
}

TEST(Engine, SeveralExceededWindowsAreNamedAndTheWaitIsAsConfigured) {
  RateLimitConfig config;
  config.default_limit = {.algorithm = Algorithm::fixed_window,
                          .windows = {{.limit = 1, .window = 1s}, {.limit = 1, .window = 10s}}};
  for (const auto& [which, wait] : {std::pair{RetryAfter::shortest, Micros{1'000'000}},
                                    std::pair{RetryAfter::longest, Micros{10'000'000}}}) {
    config.retry_after = which;
    const Bench bench(config);
    EXPECT_TRUE(bench.decide({.method = "GET", .target = "/"}).admitted());
    const Decision denied = bench.decide({.method = "GET", .target = "/"});
    EXPECT_EQ(denied.denial, Denial::multiple_windows_exceeded);
    EXPECT_EQ(denied.retry_after_us, wait);
    EXPECT_EQ(denied.fields()->window_us, 10'000'000U);  // equal remaining: the later reset
  }
}

TEST(Engine, LimitZeroRejectsEverythingAndTakesNothing) {
  RateLimitConfig config;
  config.default_limit = {.algorithm = Algorithm::fixed_window,
                          .windows = {{.limit = 0, .window = 30s}, {.limit = 5, .window = 60s}}};
  const Bench bench(config);
  for (int i = 0; i < 10; ++i) {
    const Decision denied = bench.decide({.method = "GET", .target = "/"});
    EXPECT_EQ(denied.denial, Denial::maintenance);
    EXPECT_EQ(denied.retry_after_us, Micros{30'000'000});
    EXPECT_EQ(denied.fields()->limit, 0U);
    EXPECT_EQ(denied.windows[1].remaining, 5U);
  }
}

TEST(Engine, ACostAboveTheCapacityCanNeverPassAndTakesNothing) {
  RateLimitConfig config;
  config.default_limit = limit_of(5);
  const Bench bench(config);
  const Decision denied = bench.decide({.method = "GET", .target = "/", .cost = 6});
  EXPECT_EQ(denied.denial, Denial::cost_exceeds_limit);
  EXPECT_FALSE(denied.retry_after_us);
  EXPECT_EQ(denied.fields()->remaining, 5U);
  EXPECT_TRUE(bench.decide({.method = "GET", .target = "/", .cost = 5}).admitted());
}

TEST(Engine, CostZeroLooksAndTakesNothing) {
  RateLimitConfig config;
  config.default_limit = limit_of(3);
  const Bench bench(config);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(bench.decide({.method = "GET", .target = "/", .cost = 0}).fields()->remaining, 3U);
  }
}

TEST(Engine, APreflightCountsUnderARuleOfItsOwn) {
  RateLimitConfig config;
  config.default_limit = limit_of(2);
  const Bench bench(config);
  const Headers headers(
      {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "PUT"}});
  const Request preflight{.method = "OPTIONS", .target = "/x", .headers = &headers};
  EXPECT_EQ(bench.decide(preflight).endpoint, "preflight");
  EXPECT_EQ(bench.decide(preflight).fields()->remaining, 0U);
  EXPECT_EQ(bench.decide({.method = "OPTIONS", .target = "/x"}).fields()->remaining, 1U);
}

TEST(Engine, ATierHandedInGetsItsLimitAndAnUnknownOneIsNoTier) {
  RateLimitConfig config;
  config.default_limit = limit_of(1);
  config.tiers.push_back({"premium", limit_of(50)});
  const Bench bench(config);
  const Request premium{.method = "GET", .target = "/", .client = "user:42", .tier = "premium"};
  EXPECT_EQ(bench.decide(premium).fields()->limit, 50U);
  const Decision unknown =
      bench.decide({.method = "GET", .target = "/", .client = "user:7", .tier = "gold"});
  EXPECT_EQ(unknown.client.tier, "anonymous");
  EXPECT_EQ(unknown.fields()->limit, 1U);
}

TEST(Engine, UnlimitedHasNoFields) {
  RateLimitConfig config;
  config.default_limit.windows.clear();
  const Decision decision = Bench(config).decide({.method = "GET", .target = "/"});
  EXPECT_TRUE(decision.admitted());
  EXPECT_EQ(decision.fields(), nullptr);
}

TEST(Engine, PeekTakesNothingAndResetForgets) {
  RateLimitConfig config;
  config.default_limit = limit_of(2);
  const Bench bench(config);
  for (int i = 0; i < 2; ++i)
    EXPECT_TRUE(bench.decide({.method = "GET", .target = "/"}).admitted());
  for (int i = 0; i < 2; ++i) {
    const auto states = bench.engine().peek("ip:203.0.113.7", "default", "", kNow);
    ASSERT_EQ(states.size(), 1U);
    EXPECT_EQ(states[0].remaining, 0U);
  }
  EXPECT_EQ(bench.engine().reset("ip:203.0.113.7", "", kNow), 1U);
  EXPECT_EQ(bench.engine().reset("ip:203.0.113.8", "", kNow), 0U);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/"}).fields()->remaining, 1U);
}

TEST(Engine, OneDecisionObjectServesManyRequests) {
  RateLimitConfig config;
  config.default_limit = limit_of(1);
  const Bench bench(config);
  Decision decision;
  const Request limited{.peer = IpAddress::parse("1.2.3.4"), .method = "GET", .target = "/"};
  bench.engine().decide(limited, kNow, decision);
  bench.engine().decide(limited, kNow, decision);
  EXPECT_EQ(decision.status(), 429U);
  bench.engine().decide({.peer = IpAddress::parse("1.2.3.4"), .method = "GET", .target = "/health"},
                        kNow, decision);
  EXPECT_EQ(decision.outcome, Outcome::exempt);
  EXPECT_EQ(decision.denial, Denial::none);
  EXPECT_EQ(decision.fields(), nullptr);
  EXPECT_FALSE(decision.retry_after_us);
}

}  // namespace
}  // namespace tidegate
