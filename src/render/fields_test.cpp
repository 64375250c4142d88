#include <gtest/gtest.h>

#include <algorithm>

#include "render/test_decisions.hpp"

namespace tidegate {
namespace {

constexpr RenderOptions kIetf{.x_ratelimit = false, .ietf = true};

TEST(Fields, AnAllowedResponseSaysLimitRemainingAndReset) {
  EXPECT_EQ(fields_of(allowed_decision()), (Fields{{"X-RateLimit-Limit", "100"},
                                                   {"X-RateLimit-Remaining", "50"},
                                                   {"X-RateLimit-Reset", "1800000060"}}));
}

TEST(Fields, ResetIsInUnixSecondsRoundedUp) {
  Decision decision = allowed_decision();
  const auto reset = [&](std::uint64_t wall_us, std::uint64_t reset_us) {
    decision.windows[0].reset_us = reset_us;
    return fields_of(decision, {}, wall_us)["X-RateLimit-Reset"];
  };
  EXPECT_EQ(reset(kWall, 0), "1800000000");
  EXPECT_EQ(reset(kWall + 1, 0), "1800000001");
  EXPECT_EQ(reset(kWall, 1'000'000), "1800000001");
  EXPECT_EQ(reset(kWall + 400'000, 600'001), "1800000002");
}

TEST(Fields, ARejectionSaysWhenToComeBackAndIsNotStored) {
  EXPECT_EQ(fields_of(denied_decision()), (Fields{{"X-RateLimit-Limit", "100"},
                                                  {"X-RateLimit-Remaining", "0"},
                                                  {"X-RateLimit-Reset", "1800000060"},
                                                  {"Retry-After", "30"},
                                                  {"Content-Type", "application/json"},
                                                  {"Cache-Control", "no-store"}}));
}

TEST(Fields, RetryAfterIsRoundedUpAndAtLeastOne) {
  Decision decision = denied_decision();
  const auto retry = [&](std::uint64_t us) {
    decision.retry_after_us = us;
    return calculate_retry_after(decision);
  };
  EXPECT_EQ(retry(0), 1U);
  EXPECT_EQ(retry(1), 1U);
  EXPECT_EQ(retry(1'000'000), 1U);
  EXPECT_EQ(retry(1'000'001), 2U);
  decision.retry_after_us.reset();
  EXPECT_EQ(calculate_retry_after(decision), std::nullopt);
  EXPECT_EQ(calculate_retry_after(allowed_decision()), std::nullopt);
}

TEST(Fields, OfSeveralWindowsTheTightestIsShown) {
  Decision decision = allowed_decision();
  WindowState hour = window_state("default", 1'000, 3'600'000'000);
  hour.remaining = 3;
  hour.reset_us = 120'000'000;
  decision.windows.push_back(hour);
  decision.tightest = 1;
  EXPECT_EQ(fields_of(decision), (Fields{{"X-RateLimit-Limit", "1000"},
                                         {"X-RateLimit-Remaining", "3"},
                                         {"X-RateLimit-Reset", "1800000120"}}));
}

TEST(Fields, WhatCanNeverPassHasNoRetryAfter) {
  Decision decision = allowed_decision();
  decision.outcome = Outcome::denied;
  decision.denial = Denial::cost_exceeds_limit;
  const Fields fields = fields_of(decision);
  EXPECT_FALSE(fields.contains("Retry-After"));
  EXPECT_EQ(fields.at("X-RateLimit-Remaining"), "50");
  EXPECT_EQ(fields.at("Cache-Control"), "no-store");
}

TEST(Fields, MaintenanceLastsAWindow) {
  Decision decision = denied_decision();
  decision.denial = Denial::maintenance;
  decision.retry_after_us = 60'000'000;
  decision.windows[0].limit = 0;
  decision.windows[0].reset_us = 60'000'000;
  const Fields fields = fields_of(decision);
  EXPECT_EQ(fields.at("X-RateLimit-Limit"), "0");
  EXPECT_EQ(fields.at("X-RateLimit-Remaining"), "0");
  EXPECT_EQ(fields.at("X-RateLimit-Reset"), "1800000060");
  EXPECT_EQ(fields.at("Retry-After"), "60");
}

TEST(Fields, AClosedFailureShowsNothingLeftUntilTheNextProbe) {
  Decision decision = allowed_decision();
  decision.outcome = Outcome::failed_closed;
  decision.denial = Denial::rate_limiter_unavailable;
  decision.retry_after_us = 12'300'000;
  const Fields fields = fields_of(decision, {.x_ratelimit = true, .ietf = true});
  EXPECT_EQ(decision.status(), 503U);
  EXPECT_EQ(fields.at("X-RateLimit-Limit"), "100");
  EXPECT_EQ(fields.at("X-RateLimit-Remaining"), "0");
  EXPECT_EQ(fields.at("X-RateLimit-Reset"), "1800000013");
  EXPECT_EQ(fields.at("Retry-After"), "13");
  EXPECT_EQ(fields.at("RateLimit"), "\"default\";r=0;t=13");
}

TEST(Fields, AnOpenFailureShowsTheWholeLimit) {
  Decision decision = allowed_decision();
  decision.outcome = Outcome::failed_open;
  EXPECT_EQ(fields_of(decision), (Fields{{"X-RateLimit-Limit", "100"},
                                         {"X-RateLimit-Remaining", "100"},
                                         {"X-RateLimit-Reset", "1800000000"}}));
}

TEST(Fields, ExemptAndUnlimitedResponsesHaveNone) {
  Decision decision;
  EXPECT_TRUE(fields_of(decision, {.x_ratelimit = true, .ietf = true}).empty());
  decision.outcome = Outcome::exempt;
  EXPECT_TRUE(fields_of(decision, {.x_ratelimit = true, .ietf = true}).empty());
}

TEST(Fields, IetfNamesPolicyAndState) {
  EXPECT_EQ(fields_of(allowed_decision(), kIetf),
            (Fields{{"RateLimit-Policy", "\"default\";q=100;w=60"},
                    {"RateLimit", "\"default\";r=50;t=30"}}));
}

TEST(Fields, IetfTellsWindowsOfOneRuleApart) {
  Decision decision = allowed_decision();
  decision.windows.push_back(window_state("default", 1'000, 3'600'000'000));
  decision.windows.push_back(window_state("default", 5, 500'000));
  decision.windows.push_back(window_state("default", 20, 1'500'000));
  decision.windows.push_back(window_state("search", 7, 250'000));
  decision.windows.push_back(window_state("search", 9, 1'000'000));
  const Fields fields = fields_of(decision, kIetf);
  EXPECT_EQ(fields.at("RateLimit-Policy"),
            "\"default\";q=100;w=60, \"default-3600s\";q=1000;w=3600, \"default-500ms\";q=5;w=1, "
            "\"default-1500ms\";q=20;w=2, \"search\";q=7;w=1, \"search-1s\";q=9;w=1");
  EXPECT_EQ(fields.at("RateLimit"),
            "\"default\";r=50;t=30, \"default-3600s\";r=0;t=0, \"default-500ms\";r=0;t=0, "
            "\"default-1500ms\";r=0;t=0, \"search\";r=0;t=0, \"search-1s\";r=0;t=0");
}

TEST(Fields, IetfNamesAreQuotedStrings) {
  Decision decision = allowed_decision();
  decision.windows[0].rule = R"(GET /a"b\c)";
  EXPECT_EQ(fields_of(decision, kIetf).at("RateLimit"), R"("GET /a\"b\\c";r=50;t=30)");
  decision.windows[0].rule = "a\r\nSet-Cookie: b\xc3\xa9";
  EXPECT_EQ(fields_of(decision, kIetf).at("RateLimit"), "\"a??Set-Cookie: b??\";r=50;t=30");
}

TEST(Fields, IetfStaysReadableWithMoreWindowsThanAnyRuleHas) {
  Decision decision = allowed_decision();
  decision.windows.assign(48,
                          window_state(std::string(64, 'x'), 1'000'000'000, 31'622'400'000'000));
  const std::string policy = fields_of(decision, kIetf).at("RateLimit-Policy");
  EXPECT_EQ(std::count(policy.begin(), policy.end(), ','), 47);
  EXPECT_TRUE(policy.ends_with("-31622400s\";q=1000000000;w=31622400"));
}

TEST(Fields, WhatABrowserMayReadIsWhatIsWritten) {
  for (const bool x : {false, true}) {
    for (const bool ietf : {false, true}) {
      const RenderOptions options{.x_ratelimit = x, .ietf = ietf};
      const std::string names = ", " + std::string(exposed_field_names(options)) + ",";
      std::size_t found = 0;
      for (const auto& [name, value] : fields_of(denied_decision(), options)) {
        // These two are readable without being named.
        if (name == "Content-Type" || name == "Cache-Control") continue;
        EXPECT_NE(names.find(", " + name + ","), std::string::npos) << name;
        ++found;
      }
      EXPECT_EQ(static_cast<std::size_t>(std::count(names.begin(), names.end(), ',')), found + 1);
    }
  }
}

}  // namespace
}  // namespace tidegate
