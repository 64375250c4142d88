#include "config/environment.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/keys.hpp"

namespace tidegate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kFile =
    "[rate_limiting]\ndefault_limit = 5\n[rate_limiting.memory]\ncapacity = 100\nlog_slots = 7\n";

RateLimitConfig parsed(const Environment& environment, std::string_view toml = kFile) {
  const auto loaded = parse_config(toml, "f", environment);
  if (loaded) {
    EXPECT_TRUE(loaded->warnings.empty()) << loaded->warnings.front();
    return loaded->config;
  }
  for (const Fault& fault : loaded.error()) ADD_FAILURE() << to_string(fault);
  return {};
}

std::vector<Fault> faults_of(const Environment& environment, std::string_view toml = kFile) {
  const auto loaded = parse_config(toml, "f", environment);
  return loaded ? std::vector<Fault>{} : loaded.error();
}

std::vector<std::string> warnings_of(const Environment& environment,
                                     std::string_view toml = kFile) {
  const auto loaded = parse_config(toml, "f", environment);
  return loaded ? loaded->warnings : std::vector<std::string>{"faulty"};
}

TEST(EnvironmentName, SeparatesTablesByTwo) {
  EXPECT_EQ(environment_name("default_limit"), "RATE_LIMIT_DEFAULT_LIMIT");
  EXPECT_EQ(environment_name("redis.sentinel.service_name"),
            "RATE_LIMIT_REDIS__SENTINEL__SERVICE_NAME");
}

TEST(Environment, WinsOverTheFileAndTheFileOverDefaults) {
  const auto config = parsed({{"RATE_LIMIT_DEFAULT_LIMIT", "9"},
                              {"RATE_LIMIT_MEMORY__CAPACITY", "1_000"},
                              {"RATE_LIMIT_METRICS__TOP_CLIENTS", "3"}});
  EXPECT_EQ(config.default_limit.windows.at(0).limit, 9u);
  EXPECT_EQ(config.memory.capacity, 1'000u);
  EXPECT_EQ(config.memory.log_slots, 7u);
  EXPECT_EQ(config.top_clients, 3u);
  EXPECT_EQ(config.memory.segment, "tidegate");
}

TEST(Environment, TakesTomlValuesAndBareWords) {
  const auto config =
      parsed({{"RATE_LIMIT_ENABLED", "false"},
              {"RATE_LIMIT_ALGORITHM", "token_bucket"},
              {"RATE_LIMIT_FAILURE_MODE", "\"fail_closed\""},
              {"RATE_LIMIT_DEFAULT_WINDOW", "5m"},
              {"RATE_LIMIT_MEMORY__SEGMENT", ""},
              {"RATE_LIMIT_HEADERS", "[\"ietf\"]"},
              {"RATE_LIMIT_WINDOWS", "[{ limit = 1, window = \"1h\" }]"},
              {"RATE_LIMIT_ENDPOINTS", "[{ pattern = \"/a\", limit = 2, window = 1 }]"},
              {"RATE_LIMIT_CLIENT_IDENTIFICATION", "{ ipv6_prefix = 48 }"},
              {"RATE_LIMIT_CLIENT_IDENTIFICATION__TRUSTED_PROXY_DEPTH", "2"}});
  EXPECT_FALSE(config.enabled);
  EXPECT_EQ(config.default_limit.algorithm, Algorithm::token_bucket);
  EXPECT_EQ(config.failure_mode, FailureMode::fail_closed);
  EXPECT_EQ(config.default_limit.windows.at(0).window, 5min);
  EXPECT_EQ(config.memory.segment, "");
  EXPECT_TRUE(config.ietf_headers);
  EXPECT_FALSE(config.x_ratelimit_headers);
  EXPECT_EQ(config.default_limit.windows.at(1).window, 1h);
  EXPECT_EQ(config.endpoints.at(0).name, "/a");
  EXPECT_EQ(config.client_identification.ipv6_prefix, 48u);
  EXPECT_EQ(config.client_identification.trusted_proxy_depth, 2u);
}

TEST(Environment, NeedsNoFile) {
  const auto config = parsed({{"RATE_LIMIT_MEMORY__CAPACITY", "64"}}, "[rate_limiting]\n");
  EXPECT_EQ(config.memory.capacity, 64u);
}

TEST(ShortDefault, IsALimitPerhapsWithAUnit) {
  const auto window = [](const std::string& text) {
    return parsed({{"RATE_LIMIT_DEFAULT", text}}).default_limit.windows.at(0);
  };
  EXPECT_EQ(window("100"), (WindowConfig{100, 60s, std::nullopt}));
  EXPECT_EQ(window("100/second"), (WindowConfig{100, 1s, std::nullopt}));
  EXPECT_EQ(window("100/minute"), (WindowConfig{100, 60s, std::nullopt}));
  EXPECT_EQ(window("100/hour"), (WindowConfig{100, 1h, std::nullopt}));
  EXPECT_EQ(window("100/day"), (WindowConfig{100, 24h, std::nullopt}));
  EXPECT_TRUE(parsed({{"RATE_LIMIT_DEFAULT", "unlimited"}}).default_limit.windows.empty());
}

TEST(ShortDefault, GivesWayToTheLongNames) {
  const auto config =
      parsed({{"RATE_LIMIT_DEFAULT", "100/hour"}, {"RATE_LIMIT_DEFAULT_LIMIT", "3"}});
  EXPECT_EQ(config.default_limit.windows.at(0), (WindowConfig{3, 1h, std::nullopt}));
}

TEST(ShortDefault, RefusesWhatItCannotRead) {
  for (const char* text : {"", "x", "-1", "1/", "1/fortnight", "/minute", "1 /minute", "1/minute ",
                           "99999999999999999999", "1000000001"}) {
    const auto faults = faults_of({{"RATE_LIMIT_DEFAULT", text}});
    ASSERT_EQ(faults.size(), 1u) << text;
    EXPECT_EQ(faults[0].file, "RATE_LIMIT_DEFAULT");
    EXPECT_EQ(faults[0].line, 0u);
    EXPECT_EQ(faults[0].key, "rate_limiting.default_limit");
  }
}

TEST(Environment, FaultsNameTheVariable) {
  const auto faults = faults_of({{"RATE_LIMIT_ALGORITHM", "bucket"},
                                 {"RATE_LIMIT_ENDPOINTS", "[{ pattern = \"/a\" }]"},
                                 {"RATE_LIMIT_HEADERS", "[\"ietf\""},
                                 {"RATE_LIMIT_MEMORY__CAPACITY", "many"}});
  std::vector<std::string> found;
  for (const Fault& fault : faults) {
    EXPECT_EQ(fault.line, 0u);
    found.push_back(fault.file + " " + fault.key);
  }
  std::ranges::sort(found);
  const std::vector<std::string> expected{
      "RATE_LIMIT_ALGORITHM rate_limiting.algorithm",
      "RATE_LIMIT_ENDPOINTS rate_limiting.endpoints[0].limit",
      "RATE_LIMIT_ENDPOINTS rate_limiting.endpoints[0].window",
      "RATE_LIMIT_HEADERS rate_limiting.headers",
      "RATE_LIMIT_MEMORY__CAPACITY rate_limiting.memory.capacity"};
  EXPECT_EQ(found, expected);
}

TEST(Environment, UnknownVariablesAreWarnedAbout) {
  EXPECT_TRUE(warnings_of({{"RATE_LIMIT_CONFIG", "x.toml"}, {"OTHER", "1"}}).empty());
  const auto warnings = warnings_of({{"RATE_LIMIT_MEMORY_CAPACITY", "5"}});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("RATE_LIMIT_MEMORY__CAPACITY"), std::string::npos) << warnings[0];
  // A variable that the configuration names for a secret is no stranger.
  EXPECT_TRUE(warnings_of({{"RATE_LIMIT_REDIS__HASH_KEY_ENV", "RATE_LIMIT_HASH_KEY"},
                           {"RATE_LIMIT_HASH_KEY", "secret"}})
                  .empty());
}

TEST(RedisUrl, AsksForRedisUnderEitherName) {
  EXPECT_EQ(parsed({{"REDIS_URL", "redis://h"}}).backend, BackendKind::redis);
  EXPECT_EQ(parsed({{"RATE_LIMIT_REDIS__URL", "redis://h"}}).backend, BackendKind::redis);
  EXPECT_EQ(parsed({{"REDIS_URL", ""}}).backend, BackendKind::memory);
  EXPECT_EQ(
      parsed({{"REDIS_URL", "redis://short"}, {"RATE_LIMIT_REDIS__URL", "redis://long"}}).redis.url,
      "redis://long");
  const auto faults = faults_of({{"REDIS_URL", "http://u:secret@h"}});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].file, "REDIS_URL");
  EXPECT_EQ(faults[0].message.find("secret"), std::string::npos);
  EXPECT_EQ(
      parsed({{"RATE_LIMIT_REDIS__URL", "redis://localhost"}, {"RATE_LIMIT_BACKEND", "memory"}})
          .redis.url,
      "redis://localhost");
}

constexpr std::string_view kAdmin = "[rate_limiting.admin]\ntoken_env = 'TOKEN'\n";

TEST(Secrets, AreTakenFromTheVariablesThatTheConfigurationNames) {
  const auto loaded = parse_config(kAdmin, "f", {{"TOKEN", "s3cret"}, {"OTHER", "x"}});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->secrets.size(), 1u);
  EXPECT_EQ(loaded->secrets.at("TOKEN"), "s3cret");
}

TEST(Secrets, AreAFaultWhereThereAreNone) {
  for (const Environment& environment : {Environment{}, Environment{{"TOKEN", ""}}}) {
    const auto faults = faults_of(environment, kAdmin);
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].line, 2u);
    EXPECT_EQ(faults[0].key, "rate_limiting.admin.token_env");
  }
}

TEST(Text, IsTheTableAloneWithoutTheEnvironment) {
  const auto loaded =
      parse_config("[other]\npassword = 'x'\n[rate_limiting]\ndefault_limit = 5 # five\n", "f",
                   {{"RATE_LIMIT_DEFAULT_LIMIT", "9"}});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->text, "rate_limiting.default_limit = 5\n");
  EXPECT_EQ(loaded->config.default_limit.windows[0].limit, 9u);
  EXPECT_EQ(parse_config("", "", {})->text, "") << "the defaults";
}

}  // namespace
}  // namespace tidegate::config
