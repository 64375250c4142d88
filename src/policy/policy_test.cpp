#include "policy/policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

LimitConfig limit_of(std::uint64_t limit, std::chrono::microseconds window = 60s) {
  return {.algorithm = Algorithm::fixed_window,
          .windows = {{.limit = limit, .window = window, .burst = {}}}};
}

EndpointConfig endpoint(const std::string& name, const std::string& pattern, std::uint64_t limit) {
  EndpointConfig config;
  config.name = name;
  config.pattern = pattern;
  config.limit = limit_of(limit);
  return config;
}

std::unique_ptr<const Policy> compile(const RateLimitConfig& config) {
  return Policy::compile(config, HashKey{1, 2}).value();
}

/// Default 100, tier premium 5000, search 20 (premium 200), orders by POST only.
RateLimitConfig shop() {
  RateLimitConfig config;
  config.default_limit = limit_of(100);
  config.tiers = {{"premium", limit_of(5'000)}, {"basic", limit_of(50)}};
  config.endpoints = {endpoint("search", "/api/v1/search/*", 20),
                      endpoint("orders", "/api/v1/orders", 10),
                      endpoint("anything", "/api/**", 60)};
  config.endpoints[0].tiers["premium"] = limit_of(200);
  config.endpoints[0].cost = 3;
  config.endpoints[1].methods = {"POST"};
  config.endpoints[1].tiers["partner"] = limit_of(1'000);
  return config;
}

std::uint64_t limit_for(const Rule& rule, std::string_view tier) {
  return Policy::get_applicable_limit(rule, tier).at(0).window.limit;
}

TEST(Policy, MatchesEndpointsAndElseTheDefault) {
  const auto policy = compile(shop());
  EXPECT_EQ(policy->match("/api/v1/search/x", "GET").name, "search");
  EXPECT_EQ(policy->match("/api/v1/search/x", "GET").cost, 3U);
  EXPECT_EQ(policy->match("/api/v1/orders", "POST").name, "orders");
  EXPECT_EQ(policy->match("/api/v1/orders", "GET").name, "anything");
  EXPECT_EQ(policy->match("/elsewhere", "GET").name, "default");
  EXPECT_EQ(&policy->match("/elsewhere", "GET"), &policy->default_rule());
  EXPECT_EQ(&policy->match("", "CONNECT"), &policy->default_rule());
  EXPECT_EQ(policy->match("/elsewhere", "GET").cost, 1U);
}

TEST(Policy, TakesTheMostFittingLimit) {
  const auto policy = compile(shop());
  const Rule& search = policy->match("/api/v1/search/x", "GET");
  const Rule& orders = policy->match("/api/v1/orders", "POST");
  const Rule& fallback = policy->default_rule();
  EXPECT_EQ(limit_for(search, "premium"), 200U);  // the endpoint's entry for the tier
  EXPECT_EQ(limit_for(search, "basic"), 20U);     // the endpoint's limit, not the tier's
  EXPECT_EQ(limit_for(search, "anonymous"), 20U);
  EXPECT_EQ(limit_for(orders, "premium"), 10U);
  EXPECT_EQ(limit_for(fallback, "premium"), 5'000U);  // the tier's limit
  EXPECT_EQ(limit_for(fallback, "basic"), 50U);
  EXPECT_EQ(limit_for(fallback, "anonymous"), 100U);  // the default
  EXPECT_EQ(limit_for(fallback, "partner"), 100U);    // only orders knows this tier
}

TEST(Policy, CountsTiersAndDefaultTogether) {
  const auto policy = compile(shop());
  const Rule& fallback = policy->default_rule();
  const Counter& plain = Policy::get_applicable_limit(fallback, "anonymous").at(0);
  const Counter& premium = Policy::get_applicable_limit(fallback, "premium").at(0);
  EXPECT_EQ(plain.key, premium.key);
  const Counter& search = policy->match("/api/v1/search/x", "GET").limit.at(0);
  EXPECT_NE(search.key, plain.key);
}

TEST(Policy, KnowsTheTiersThatAreNamed) {
  const auto policy = compile(shop());
  for (const char* tier : {"premium", "basic", "partner", "anonymous"}) {
    EXPECT_TRUE(policy->known_tier(tier)) << tier;
  }
  for (const char* tier : {"", "Premium", "gold", "search", "default"}) {
    EXPECT_FALSE(policy->known_tier(tier)) << tier;
  }
}

TEST(Policy, LetsATierNamedAnonymousLimitTheAnonymous) {
  RateLimitConfig config = shop();
  config.tiers.push_back({"anonymous", limit_of(7)});
  const auto policy = compile(config);
  EXPECT_EQ(limit_for(policy->default_rule(), "anonymous"), 7U);
}

TEST(Policy, CountsPreflightsApartWithTheDefaultsLimit) {
  const auto policy = compile(shop());
  const Rule& preflight = policy->preflight_rule();
  EXPECT_EQ(preflight.name, "preflight");
  EXPECT_EQ(limit_for(preflight, "anonymous"), 100U);
  EXPECT_EQ(limit_for(preflight, "premium"), 100U);
  EXPECT_NE(preflight.limit.at(0).key, policy->default_rule().limit.at(0).key);
}

TEST(Policy, ExemptsEndpointsByAnyMethod) {
  RateLimitConfig config = shop();
  config.exemptions = {{ExemptionConfig::Type::endpoint, "/static/**"},
                       {ExemptionConfig::Type::ip, "10.0.0.0/8"}};
  const auto policy = compile(config);
  EXPECT_TRUE(policy->exempt("/health", "GET"));
  EXPECT_TRUE(policy->exempt("/health", "DELETE"));
  EXPECT_TRUE(policy->exempt("/static/a/b", "GET"));
  EXPECT_FALSE(policy->exempt("/health/x", "GET"));
  EXPECT_FALSE(policy->exempt("/10.0.0.0/8", "GET"));
  EXPECT_FALSE(policy->exempt("", "GET"));
}

TEST(Policy, ExemptsAddressesInFull) {
  RateLimitConfig config;
  config.exemptions = {{ExemptionConfig::Type::ip, "10.0.0.0/8"},
                       {ExemptionConfig::Type::ip, "2001:db8:1:2::5"},
                       {ExemptionConfig::Type::endpoint, "/192.0.2.1"}};
  const auto policy = compile(config);
  const auto exempt = [&](const char* address) {
    return policy->exempt_address(IpAddress::parse(address).value());
  };
  EXPECT_TRUE(exempt("10.1.2.3"));
  EXPECT_TRUE(exempt("::ffff:10.1.2.3"));
  EXPECT_TRUE(exempt("2001:db8:1:2::5"));
  EXPECT_FALSE(exempt("2001:db8:1:2::6"));  // the same group of addresses, but another address
  EXPECT_FALSE(exempt("192.0.2.1"));
}

TEST(Policy, HasNoWindowsWhereUnlimited) {
  RateLimitConfig config = shop();
  config.tiers.push_back({"staff", {}});
  config.default_limit.windows.clear();
  const auto policy = compile(config);
  EXPECT_TRUE(Policy::get_applicable_limit(policy->default_rule(), "staff").empty());
  EXPECT_TRUE(Policy::get_applicable_limit(policy->default_rule(), "anonymous").empty());
  EXPECT_TRUE(policy->preflight_rule().limit.empty());
}

TEST(Policy, KeepsTheOrderOfWindows) {
  RateLimitConfig config;
  config.default_limit.windows = {{.limit = 100, .window = 60s, .burst = {}},
                                  {.limit = 1'000, .window = 1h, .burst = {}},
                                  {.limit = 5, .window = 1s, .burst = {}}};
  const auto policy = compile(config);
  const Limit& limit = policy->default_rule().limit;
  ASSERT_EQ(limit.size(), 3U);
  EXPECT_EQ(limit[0].window.limit, 100U);
  EXPECT_EQ(limit[1].window.limit, 1'000U);
  EXPECT_EQ(limit[2].window.limit, 5U);
}

TEST(Policy, ListsEachCounterOnce) {
  const auto policy = compile(shop());
  // default with its tiers, preflight, search, orders and anything: one window each.
  EXPECT_EQ(policy->counters().size(), 5U);
  EXPECT_EQ(policy->rules().size(), 5U);
}

TEST(Policy, ExemptsUsersByTheirIds) {
  RateLimitConfig config;
  config.exemptions = {{.type = ExemptionConfig::Type::user_id, .value = "42"}};
  const auto policy = Policy::compile(config, HashKey{1, 2}).value();
  const auto exempt = [&](const char* text, ClientType type) {
    ClientIdentity client;
    client.client_id = text;
    client.client_type = type;
    return policy->exempt_user(client);
  };
  EXPECT_TRUE(exempt("user:42", ClientType::user));
  EXPECT_FALSE(exempt("user:421", ClientType::user));
  EXPECT_FALSE(exempt("42", ClientType::user));
  EXPECT_FALSE(exempt("user:42", ClientType::key)) << "no header can say so";
}

}  // namespace
}  // namespace tidegate
