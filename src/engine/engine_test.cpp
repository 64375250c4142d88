#include "engine/engine.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engine/test_engine.hpp"
#include "identity/test_headers.hpp"
#include "identity/test_tokens.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

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

TEST(Engine, AShadowRuleNeverRejectsAndTellsWhatItWouldHaveDone) {
  RateLimitConfig config;
  config.endpoints.push_back(endpoint("tried", "/tried", limit_of(1)));
  config.endpoints[0].shadow = true;
  const Bench bench(config);
  const Request request{.method = "GET", .target = "/tried"};
  const Decision first = bench.decide(request);
  EXPECT_EQ(first.outcome, Outcome::allowed);
  EXPECT_EQ(first.fields(), nullptr) << "it is not in force";
  const Decision second = bench.decide(request);
  EXPECT_EQ(second.outcome, Outcome::shadow);
  EXPECT_EQ(second.status(), 200U);
  EXPECT_EQ(second.fields(), nullptr);
  EXPECT_FALSE(second.retry_after_us);
  ASSERT_NE(second.spoken_of(), nullptr);
  EXPECT_EQ(second.spoken_of()->rule, "tried");
  EXPECT_TRUE(second.spoken_of()->exceeded);
}

TEST(Engine, EvenAShadowOfMaintenanceLetsThrough) {
  RateLimitConfig config;
  config.shadow = true;
  config.default_limit = limit_of(0);
  const Bench bench(config);
  EXPECT_EQ(bench.decide({.method = "GET", .target = "/"}).outcome, Outcome::shadow);
  config.default_limit = limit_of(3);
  EXPECT_EQ(Bench(config).decide({.method = "GET", .target = "/", .cost = 4}).outcome,
            Outcome::shadow);
}

TEST(Engine, ShadowAndEnforcedRulesOfOneRequestDoNotStopEachOther) {
  RateLimitConfig config;
  config.default_limit = limit_of(3);
  config.endpoints.push_back(endpoint("tried", "/tried/*", limit_of(1)));
  config.endpoints[0].shadow = true;
  const Bench bench(config);
  // Its two readings meet the shadow and the default.
  const Request both{.method = "GET", .target = "/tried%2Fx"};
  EXPECT_EQ(bench.decide(both).outcome, Outcome::allowed);
  const Decision second = bench.decide(both);
  EXPECT_EQ(second.outcome, Outcome::shadow);
  ASSERT_NE(second.fields(), nullptr);
  EXPECT_EQ(second.fields()->rule, "default");
  EXPECT_EQ(second.fields()->remaining, 1U) << "the shadow's refusal stops no charge";
  EXPECT_EQ(second.spoken_of()->rule, "tried");
  EXPECT_EQ(bench.decide(both).outcome, Outcome::shadow);
  const Decision fourth = bench.decide(both);
  EXPECT_EQ(fourth.outcome, Outcome::denied);
  EXPECT_EQ(fourth.spoken_of()->rule, "default");
}

TEST(Engine, CountsAddressesOrEverybodyWhereARuleSaysSo) {
  RateLimitConfig config;
  config.default_limit = limit_of(100);
  config.endpoints.push_back(endpoint("login", "/login", limit_of(2)));
  config.endpoints[0].per = Per::address;
  config.endpoints.push_back(endpoint("report", "/report", limit_of(2)));
  config.endpoints[1].per = Per::all;
  const Bench bench(config);
  const auto ask = [&](const char* peer, const char* target, const char* user) {
    const Request request{
        .peer = IpAddress::parse(peer), .method = "GET", .target = target, .client = user};
    return bench.decide(request).admitted();
  };
  EXPECT_TRUE(ask("203.0.113.7", "/login", "user:1"));
  EXPECT_TRUE(ask("203.0.113.7", "/login", "user:2"));
  EXPECT_FALSE(ask("203.0.113.7", "/login", "user:3"));
  EXPECT_TRUE(ask("203.0.113.8", "/login", "user:3"));
  EXPECT_TRUE(ask("203.0.113.7", "/report", "user:1"));
  EXPECT_TRUE(ask("203.0.113.8", "/report", "user:2"));
  EXPECT_FALSE(ask("203.0.113.9", "/report", "user:3"));

  EXPECT_EQ(bench.engine().peek("ip:203.0.113.7", "login", "", kNow)[0].remaining, 0U);
  EXPECT_TRUE(bench.engine().peek("user:1", "login", "", kNow).empty());
  EXPECT_EQ(bench.engine().peek("user:9", "report", "", kNow)[0].remaining, 0U);
  EXPECT_EQ(bench.engine().reset("user:1", "", kNow), 0U) << "none of these counts is his";
  EXPECT_EQ(bench.engine().reset("ip:203.0.113.7", "", kNow), 1U);
  EXPECT_TRUE(ask("203.0.113.7", "/login", "user:3"));
}

TEST(Engine, AllClientsOfARuleAreForgottenAtOnceAndNobodyElses) {
  RateLimitConfig config;
  config.default_limit = limit_of(1);
  config.endpoints.push_back(endpoint("search", "/search/*", limit_of(1)));
  for (const Algorithm algorithm : {Algorithm::token_bucket, Algorithm::sliding_window,
                                    Algorithm::sliding_window_counter, Algorithm::fixed_window}) {
    config.endpoints[0].limit.algorithm = algorithm;
    const Bench bench(config);
    const auto ask = [&](int client, const char* target) {
      const std::string name = "user:" + std::to_string(client);
      return bench.decide({.method = "GET", .target = target, .client = name}).admitted();
    };
    for (int client = 0; client < 20; ++client) {
      EXPECT_TRUE(ask(client, "/search/x"));
      EXPECT_FALSE(ask(client, "/search/x"));
      EXPECT_TRUE(ask(client, "/"));
    }
    for (int again = 0; again < 2; ++again) {
      EXPECT_TRUE(bench.engine().reset_rule("search", kNow));
      for (int client = 0; client < 20; ++client) {
        EXPECT_TRUE(ask(client, "/search/x")) << to_string(algorithm);
        EXPECT_FALSE(ask(client, "/search/x"));
        EXPECT_FALSE(ask(client, "/"));
      }
    }
    EXPECT_FALSE(bench.engine().reset_rule("nothing", kNow));
  }
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

/// An engine whose rules know users, and what it decides on a token.
struct WithTokens {
  static RateLimitConfig config() {
    RateLimitConfig all;
    all.default_limit = limit_of(10);
    all.tiers = {{.name = "premium", .limit = limit_of(50)}};
    all.exemptions = {{.type = ExemptionConfig::Type::user_id, .value = "admin"}};
    all.client_identification.jwt.emplace();
    return all;
  }
  Bench bench{config(), std::make_shared<TokenVerifier>(config().client_identification, test_keys(),
                                                        HashKey{1, 2})};

  Decision decide(std::string_view payload, Times times = {.now_us = kNow, .wall_us = kNow}) const {
    const TestHeaders headers{{"Authorization", "Bearer " + signed_token(payload)}};
    Decision decision;
    bench.engine().decide({.peer = IpAddress::parse("203.0.113.7"),
                           .method = "GET",
                           .target = "/",
                           .headers = &headers},
                          times, decision);
    return decision;
  }
};

TEST(Engine, CountsUsersByTheirTokensAndTiers) {
  const WithTokens with;
  const Decision premium = with.decide(R"({"sub":"a","tier":"premium"})");
  EXPECT_EQ(premium.token, TokenVerdict::valid);
  EXPECT_EQ(premium.client.client_id, "user:a");
  EXPECT_EQ(premium.client.tier, "premium");
  EXPECT_EQ(premium.windows.at(0).limit, 50U);
  const Decision again = with.decide(R"({"sub":"a","tier":"premium","x":1})");
  EXPECT_EQ(again.windows.at(0).remaining, 48U) << "a second token opens no second allowance";
  const Decision unknown = with.decide(R"({"sub":"b","tier":"gold"})");
  EXPECT_EQ(unknown.client.tier, "anonymous");
  EXPECT_EQ(unknown.windows.at(0).limit, 10U);
  const Decision bad = with.decide("{}");
  EXPECT_EQ(bad.token, TokenVerdict::no_user);
  EXPECT_EQ(bad.client.client_id, "ip:203.0.113.7");
}

TEST(Engine, ExemptsUsersWhoseTokenIsValid) {
  const WithTokens with;
  EXPECT_EQ(with.decide(R"({"sub":"admin"})").outcome, Outcome::exempt);
  EXPECT_EQ(with.decide(R"({"sub":"admin","exp":1})").outcome, Outcome::allowed);
  EXPECT_EQ(with.decide(R"({"sub":"Admin"})").outcome, Outcome::allowed);
}

TEST(Engine, HoldsTokensAgainstTheWallClock) {
  const WithTokens with;
  const std::string payload = R"({"sub":"a","exp":)" + std::to_string(kNow / 1'000'000) + "}";
  constexpr Micros kHour = 3'600'000'000;
  EXPECT_EQ(with.decide(payload, {.now_us = kNow + kHour, .wall_us = kNow}).token,
            TokenVerdict::valid);
  EXPECT_EQ(with.decide(payload, {.now_us = kNow, .wall_us = kNow + kHour}).token,
            TokenVerdict::expired);
}

}  // namespace
}  // namespace tidegate
