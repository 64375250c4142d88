#include "policy/counters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr HashKey kKey{1, 2};

LimitConfig limit_config(
    const std::vector<std::pair<std::uint64_t, std::chrono::microseconds>>& windows,
    Algorithm algorithm = Algorithm::fixed_window) {
  LimitConfig config{.algorithm = algorithm, .windows = {}};
  for (const auto& [limit, window] : windows) {
    config.windows.push_back({.limit = limit, .window = window, .burst = {}});
  }
  return config;
}

Rule rule(const std::string& name, const LimitConfig& config,
          const std::vector<std::pair<std::string, LimitConfig>>& tiers = {}) {
  Rule rule{.name = name, .cost = 1, .limit = make_limit("ns", name, config, kKey), .tiers = {}};
  for (const auto& [tier, limit] : tiers) {
    rule.tiers.emplace(tier, make_limit("ns", name, limit, kKey));
  }
  return rule;
}

std::vector<const Counter*> laid_out(std::vector<Rule>& rules) {
  return lay_out_counters(rules).value();
}

Counter counter_named(std::string_view name_space, std::string_view rule_name, Algorithm algorithm,
                      std::chrono::microseconds window) {
  return make_limit(name_space, rule_name, limit_config({{5, window}}, algorithm), kKey).at(0);
}

TEST(Counters, NamesCountersByNamespaceRuleAlgorithmAndWindow) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> keys;
  for (const char* name_space : {"a", "b", "aa"}) {
    for (const char* rule_name : {"a", "b", "ab", "default"}) {
      for (const auto algorithm : {Algorithm::fixed_window, Algorithm::token_bucket}) {
        for (const auto window : {1s, 60s}) {
          const Counter counter = counter_named(name_space, rule_name, algorithm, window);
          keys.emplace(counter.key.high, counter.key.low);
        }
      }
    }
  }
  EXPECT_EQ(keys.size(), 3U * 4 * 2 * 2);
}

TEST(Counters, NamesTheRuleInTheUpperHalf) {
  const auto high = [](std::string_view rule_name, Algorithm algorithm, auto window) {
    return counter_named("ns", rule_name, algorithm, window).key.high;
  };
  EXPECT_EQ(high("a", Algorithm::fixed_window, 1s), high("a", Algorithm::token_bucket, 60s));
  EXPECT_NE(high("a", Algorithm::fixed_window, 1s), high("b", Algorithm::fixed_window, 1s));
}

TEST(Counters, KeepsNamesWhenLimitsChange) {
  const auto key = [](std::uint64_t limit) {
    return make_limit("ns", "a", limit_config({{limit, 60s}}), kKey).at(0).key;
  };
  EXPECT_EQ(key(5), key(500));
  EXPECT_NE(make_limit("ns", "a", limit_config({{5, 60s}}), HashKey{3, 4}).at(0).key, key(5));
}

TEST(Counters, NumbersWindowsTheShortestFirst) {
  std::vector<Rule> rules{rule("a", limit_config({{100, 1h}, {5, 1s}, {20, 60s}}),
                               {{"premium", limit_config({{500, 1h}, {10, 10s}})}})};
  laid_out(rules);
  const auto places = [](const Limit& limit) {
    std::vector<int> all;
    for (const Counter& counter : limit) all.push_back(counter.place);
    return all;
  };
  // 1 s, 10 s, 60 s, 1 h: equal windows of two tiers have one place.
  EXPECT_EQ(places(rules[0].limit), (std::vector{3, 0, 2}));
  EXPECT_EQ(places(rules[0].tiers.at("premium")), (std::vector{3, 1}));
}

TEST(Counters, KeepsPlacesBelowTheirBound) {
  std::vector<std::pair<std::string, LimitConfig>> tiers;
  for (int i = 1; i <= 12; ++i)
    tiers.emplace_back("t" + std::to_string(i), limit_config({{5, i * 1s}}));
  std::vector<Rule> rules{rule("a", limit_config({{5, 1s}}), tiers)};
  laid_out(rules);
  EXPECT_EQ(rules[0].tiers.at("t8")[0].place, 7);
  EXPECT_EQ(rules[0].tiers.at("t9")[0].place, 0);
}

TEST(Counters, AsksForAnEvenPartOfTheOverflowEntries) {
  for (const std::uint32_t count : {1U, 2U, 32U, 33U, 1'000U}) {
    std::vector<Rule> rules;
    for (std::uint32_t i = 0; i < count; ++i) {
      rules.push_back(rule("r" + std::to_string(i), limit_config({{5, 60s}})));
    }
    const auto counters = laid_out(rules);
    ASSERT_EQ(counters.size(), count);
    for (const Counter* counter : counters) {
      EXPECT_EQ(counter->overflow_count, std::min(4'096U, 131'072U / count));
    }
  }
}

TEST(Counters, RefusesMoreWindowsThanOverflowEntriesCanServe) {
  std::vector<Rule> rules;
  for (int i = 0; i < 32'768; ++i) {
    rules.push_back(rule("r" + std::to_string(i), limit_config({{5, 60s}})));
  }
  EXPECT_EQ(laid_out(rules)[0]->overflow_count, 4U);
  rules.push_back(rule("one more", limit_config({{5, 60s}})));
  const auto refused = lay_out_counters(rules);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("32769"), std::string::npos);
  EXPECT_NE(refused.error().message.find("32768"), std::string::npos);
}

TEST(Counters, AsksTheSameForTiersWithOneKey) {
  std::vector<Rule> rules{rule("a", limit_config({{5, 60s}}, Algorithm::sliding_window),
                               {{"none", limit_config({{0, 60s}}, Algorithm::sliding_window)},
                                {"premium", limit_config({{50, 60s}}, Algorithm::sliding_window)},
                                {"bucket", limit_config({{50, 60s}}, Algorithm::token_bucket)}}),
                          rule("b", limit_config({{7, 60s}}, Algorithm::sliding_window)),
                          rule("c", limit_config({{0, 60s}}, Algorithm::sliding_window))};
  EXPECT_EQ(laid_out(rules).size(), 4U);

  const Counter& own = rules[0].limit[0];
  const Counter& premium = rules[0].tiers.at("premium")[0];
  const Counter& none = rules[0].tiers.at("none")[0];
  const Counter& bucket = rules[0].tiers.at("bucket")[0];
  for (const Counter* other : {&premium, &none}) {
    EXPECT_EQ(other->key, own.key);
    EXPECT_EQ(other->place, own.place);
    EXPECT_EQ(other->ring_slots, 50U);  // the largest limit of the key
  }
  EXPECT_EQ(own.ring_slots, 50U);
  EXPECT_NE(bucket.key, own.key);
  EXPECT_EQ(bucket.ring_slots, 0U);

  // Other rules have rings of their own; one that rejects everything still has a size.
  EXPECT_EQ(rules[1].limit[0].ring_slots, 7U);
  EXPECT_EQ(rules[2].limit[0].ring_slots, 1U);
}

TEST(Counters, DoesNotDependOnTheOrderOfRules) {
  const Rule a = rule("a", limit_config({{5, 60s}, {50, 1h}}));
  const Rule b = rule("b", limit_config({{5, 60s}}, Algorithm::sliding_window));
  std::vector<Rule> rules{a, b};
  std::vector<Rule> turned{b, a};
  const auto key = [](const Counter* counter) { return counter->key; };
  const auto counters = laid_out(rules);
  const auto others = laid_out(turned);
  ASSERT_EQ(counters.size(), others.size());
  for (std::size_t i = 0; i < counters.size(); ++i) EXPECT_EQ(key(counters[i]), key(others[i]));
}

}  // namespace
}  // namespace tidegate
