// parse_config and validate as a user of the library sees them.
#include "tidegate/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::vector<Fault> faults_of(std::string_view toml) {
  const auto loaded = parse_config(toml, "f", {});
  return loaded ? std::vector<Fault>{} : loaded.error();
}

std::vector<std::string> keys_of(const std::vector<Fault>& faults) {
  std::vector<std::string> keys;
  for (const Fault& fault : faults) keys.push_back(fault.key);
  return keys;
}

TEST(ParseConfig, NothingWrittenIsTheDefaults) {
  const auto loaded = parse_config("", "", {});
  ASSERT_TRUE(loaded);
  const RateLimitConfig& config = loaded->config;
  EXPECT_TRUE(loaded->warnings.empty());
  EXPECT_TRUE(config.enabled);
  const LimitConfig limit{Algorithm::sliding_window_counter, {{100, 60s, std::nullopt}}};
  EXPECT_EQ(config.default_limit, limit);
  EXPECT_EQ(config.name_space, "default");
  EXPECT_EQ(config.memory.capacity, 1'000'000u);
  EXPECT_EQ(config.memory.mode, 0600u);
  EXPECT_EQ(config.exempt_endpoints.size(), 5u);
  EXPECT_TRUE(config.x_ratelimit_headers);
  EXPECT_FALSE(config.ietf_headers);
  EXPECT_FALSE(config.client_identification.jwt);
  EXPECT_EQ(config.client_identification.identify, (std::vector<std::string>{"jwt", "ip"}));
}

TEST(ParseConfig, ReadsWhatIsWritten) {
  const auto loaded = parse_config(R"(
[other]
limit = "not ours"
[rate_limiting]
enabled = false
namespace = "shop"
default_limit = 7
default_window = 30
failure_mode = "local"
headers = ["ietf", "x-ratelimit"]
retry_after = "longest"
exempt_endpoints = []
log = "/var/log/tidegate.log"
log_level = "debug"
[rate_limiting.memory]
capacity = 8
segment = "shop.1"
mode = "660"
group = "www-data"
log_slots = 0
[rate_limiting.client_identification]
identify = ["header:X-API-Key", "ip"]
trusted_proxies = ["10.0.0.0/8", "::1"]
ipv6_prefix = 128
[[rate_limiting.tiers]]
name = "premium"
limit = "unlimited"
[[rate_limiting.endpoints]]
pattern = "/orders/*"
methods = ["GET", "POST"]
limit = 20
window = "500ms"
cost = 2
priority = -1
[[rate_limiting.endpoints]]
name = "off"
pattern = "/off"
limit = 0
window = "1h"
[[rate_limiting.exemptions]]
type = "ip"
value = "192.0.2.1"
[[rate_limiting.exemptions]]
type = "endpoint"
value = "/static/**"
)",
                                   "f", {});
  ASSERT_TRUE(loaded) << to_string(loaded.error().front());
  const RateLimitConfig& config = loaded->config;
  EXPECT_FALSE(config.enabled);
  EXPECT_EQ(config.name_space, "shop");
  EXPECT_EQ(config.default_limit.windows, (std::vector<WindowConfig>{{7, 30s, std::nullopt}}));
  EXPECT_EQ(config.failure_mode, FailureMode::local);
  EXPECT_TRUE(config.ietf_headers && config.x_ratelimit_headers);
  EXPECT_EQ(config.retry_after, RetryAfter::longest);
  EXPECT_TRUE(config.exempt_endpoints.empty());
  EXPECT_EQ(config.log, "/var/log/tidegate.log");
  EXPECT_EQ(config.log_level, LogLevel::debug);
  EXPECT_EQ(config.memory.segment, "shop.1");
  EXPECT_EQ(config.memory.mode, 0660u);
  EXPECT_EQ(config.memory.group, "www-data");
  EXPECT_EQ(config.client_identification.trusted_proxies.size(), 2u);
  EXPECT_TRUE(config.tiers.at(0).limit.windows.empty());
  const EndpointConfig& endpoint = config.endpoints.at(0);
  EXPECT_EQ(endpoint.name, "GET,POST /orders/*");
  EXPECT_EQ(endpoint.limit.windows, (std::vector<WindowConfig>{{20, 500ms, std::nullopt}}));
  EXPECT_EQ(endpoint.cost, 2u);
  EXPECT_EQ(endpoint.priority, -1);
  EXPECT_EQ(config.exemptions.at(1).type, ExemptionConfig::Type::endpoint);
  EXPECT_TRUE(validate(config).empty());
}

TEST(ParseConfig, ReportsEveryFaultAtOnceInTheOrderOfTheFile) {
  const auto faults = faults_of(
      "[rate_limiting]\n"
      "enabled = 1\n"
      "limt = 3\n"
      "headers = [\"x-ratelimit\", \"y\", 3]\n"
      "[rate_limiting.memory]\n"
      "capacity = \"100\"\n"
      "[[rate_limiting.endpoints]]\n"
      "pattern = \"a\"\n"
      "limit = -1\n"
      "window = \"1x\"\n");
  const std::vector<std::string> expected{"rate_limiting.enabled",
                                          "rate_limiting.limt",
                                          "rate_limiting.headers[1]",
                                          "rate_limiting.headers[2]",
                                          "rate_limiting.memory.capacity",
                                          "rate_limiting.endpoints[0].pattern",
                                          "rate_limiting.endpoints[0].limit",
                                          "rate_limiting.endpoints[0].window"};
  EXPECT_EQ(keys_of(faults), expected);
}

TEST(ParseConfig, SaysWhatWasFoundAndWhatIsAllowed) {
  const auto faults = faults_of("[rate_limiting.client_identification]\nipv6_prefix = 129\n");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(to_string(faults[0]),
            "f:2:15: rate_limiting.client_identification.ipv6_prefix: found the integer 129, "
            "allowed: an integer from 1 to 128");
}

TEST(ParseConfig, SuggestsTheKeyThatWasMeant) {
  const auto message = [](std::string_view toml) {
    const auto faults = faults_of(toml);
    return faults.size() == 1 ? faults[0].message : "";
  };
  EXPECT_EQ(message("[rate_limiting]\nnamspace = \"a\"\n"),
            "unknown key, did you mean \"namespace\"?");
  EXPECT_EQ(message("[rate_limiting]\nlimit = 5\n"),
            "unknown key, did you mean \"default_limit\"?");
  EXPECT_EQ(message("[rate_limiting]\nlimt = 5\n"), "unknown key, did you mean \"default_limit\"?");
  EXPECT_EQ(message("[rate_limiting]\nsegment = \"a\"\n"),
            "unknown key here, did you mean rate_limiting.memory.segment?");
  EXPECT_EQ(message("[rate_limiting.memroy]\ncapacity = 8\n"),
            "unknown key, did you mean \"memory\"?");
}

TEST(ParseConfig, NeverRepeatsAPassword) {
  for (const char* url : {"http://user:hunter2@host", "redis://user:hunter2@host:port",
                          "redis://user:hunter2@", "hunter2"}) {
    const auto faults = faults_of(std::string("[rate_limiting.redis]\nurl = \"") + url + "\"\n");
    ASSERT_FALSE(faults.empty()) << url;
    for (const Fault& fault : faults) {
      EXPECT_EQ(to_string(fault).find("hunter2"), std::string::npos) << to_string(fault);
    }
  }
}

TEST(ParseConfig, WarnsWhereTheTableIsMissing) {
  const auto loaded = parse_config("[rate_limitting]\nenabled = false\n", "f", {});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_NE(loaded->warnings[0].find("rate_limitting"), std::string::npos);
}

TEST(ParseConfig, WarnsOfACostThatNeverPasses) {
  const auto loaded = parse_config(
      "[rate_limiting]\n[[rate_limiting.endpoints]]\npattern = \"/a\"\nlimit = 5\nwindow = 1\n"
      "cost = 6\n[rate_limiting.endpoints.tiers]\nbig = { limit = 6, window = 1 }\n",
      "f", {});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_TRUE(loaded->warnings[0].starts_with("f:6:8: rate_limiting.endpoints[0].cost: 6"))
      << loaded->warnings[0];
}

TEST(ParseConfig, ABurstMakesRoomForACost) {
  const auto loaded = parse_config(
      "[rate_limiting]\n[[rate_limiting.endpoints]]\npattern = \"/a\"\nlimit = 5\nwindow = 1\n"
      "algorithm = \"token_bucket\"\nburst = 10\ncost = 10\n",
      "f", {});
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST(ParseConfig, RefusesTwoMebibytesAndOneByteUnread) {
  const std::string line = "# a comment that is long enough to fill the file\n";
  std::string text;
  while (text.size() + line.size() <= kMaxConfigBytes) text += line;
  text += std::string(kMaxConfigBytes - text.size(), '\n');
  EXPECT_TRUE(parse_config(text, "f", {}));
  const auto faults = faults_of(text + "\n");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].message.find("2 MiB"), std::string::npos);
}

TEST(ParseConfig, CopesWithAFileFullOfFaults) {
  std::string text = "[rate_limiting]\nwindows = [";
  while (text.size() < 300'000) text += "{limit=1,window=1,x=1},";
  const auto faults = faults_of(text + "]\n");
  EXPECT_GT(faults.size(), 10'000u);
}

TEST(Validate, TakesTheDefaults) { EXPECT_TRUE(validate(RateLimitConfig{}).empty()); }

TEST(Validate, FindsWhatAFileCouldNotSay) {
  RateLimitConfig config;
  config.name_space = "a/b";
  config.default_limit.windows = {{5, 1s, 3}, {2'000'000'000, 1h, std::nullopt}, {1, 1s, {}}};
  config.memory.capacity = 1;
  config.memory.mode = 0777;
  config.client_identification.ipv6_prefix = 0;
  config.client_identification.identify.clear();
  config.client_identification.trusted_proxies = {"10.0.0.1/8"};
  config.exempt_endpoints = {"/ok", "no"};
  config.tiers = {{.name = "", .limit = {}}};
  config.endpoints = {{.name = "a", .pattern = "/a", .methods = {"get"}, .limit = {}, .tiers = {}},
                      {.name = "a", .pattern = "b", .methods = {}, .limit = {}, .tiers = {}},
                      {.name = "other", .pattern = "/c", .methods = {}, .limit = {}, .tiers = {}}};
  config.exemptions = {{.type = ExemptionConfig::Type::ip, .value = "nowhere"}};
  config.log_level = static_cast<LogLevel>(9);
  config.progressive_penalties.penalty_multipliers = {0};

  std::vector<std::string> keys;
  for (const Fault& fault : validate(config)) {
    EXPECT_EQ(fault.file, "");
    EXPECT_EQ(fault.line, 0u);
    keys.push_back(fault.key.substr(std::string("rate_limiting.").size()));
  }
  std::ranges::sort(keys);
  const std::vector<std::string> expected{"burst",
                                          "client_identification.identify",
                                          "client_identification.ipv6_prefix",
                                          "client_identification.trusted_proxies[0]",
                                          "endpoints[0].methods[0]",
                                          "endpoints[1].pattern",
                                          "endpoints[2].name",
                                          "exempt_endpoints[1]",
                                          "exemptions[0].value",
                                          "log_level",
                                          "memory.capacity",
                                          "memory.mode",
                                          "namespace",
                                          "progressive_penalties.penalty_multipliers[0]",
                                          "tiers[0].name",
                                          "windows[0].limit",
                                          "windows[1].window"};
  EXPECT_EQ(keys, expected);
}

TEST(Validate, RefusesTwoRulesOfOneName) {
  RateLimitConfig config;
  const EndpointConfig endpoint{
      .name = "a", .pattern = "/a", .methods = {}, .limit = {}, .tiers = {}};
  config.endpoints = {endpoint, endpoint};
  EXPECT_EQ(keys_of(validate(config)), std::vector<std::string>{"rate_limiting.endpoints[1].name"});
}

TEST(Validate, WantsToKnowWhereRedisIs) {
  RateLimitConfig config;
  config.backend = BackendKind::redis;
  EXPECT_EQ(keys_of(validate(config)), std::vector<std::string>{"rate_limiting.redis.url"});
  config.redis.url = "redis://localhost/3";
  EXPECT_TRUE(validate(config).empty());
  config.redis.topology = RedisConfig::Topology::cluster;
  EXPECT_EQ(keys_of(validate(config)), std::vector<std::string>{"rate_limiting.redis.url"});
  config.redis.url = "redis://localhost";
  EXPECT_TRUE(validate(config).empty());
}

}  // namespace
}  // namespace tidegate
