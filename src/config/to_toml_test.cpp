#include <gtest/gtest.h>

#include "config/keys.hpp"
#include "tidegate/config.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

RateLimitConfig parsed(std::string_view toml) {
  const auto loaded = parse_config(toml, "f", {{"TOKEN", "secret"}});
  if (loaded) return loaded->config;
  for (const Fault& fault : loaded.error()) ADD_FAILURE() << to_string(fault) << "\n" << toml;
  return {};
}

constexpr std::string_view kEverything = R"(
[rate_limiting]
default_limit = 7
default_window = "1500ms"
algorithm = "token_bucket"
burst = 9
windows = [ { limit = 1000, window = "1h", burst = 2000 } ]
failure_mode = "local"
shadow = true
headers = ["ietf"]
retry_after = "longest"
exempt_endpoints = []
log = "a \"quoted\" file"
log_level = "debug"
[rate_limiting.memory]
capacity = 2_000
segment = ""
mode = "0660"
group = "users"
log_slots = 500
[rate_limiting.client_identification]
identify = ["header:X-API-Key", "ip"]
trusted_proxies = ["10.0.0.0/8"]
ipv6_prefix = 48
[[rate_limiting.tiers]]
name = "free tier"
limit = "unlimited"
[[rate_limiting.endpoints]]
name = "search"
pattern = "/s/*"
methods = ["GET"]
limit = 20
window = 60
algorithm = "sliding_window"
cost = 2
per = "address"
priority = -3
shadow = true
[rate_limiting.endpoints.tiers]
"free tier" = { limit = 200, window = "60s", windows = [ { limit = 300, window = 61 } ] }
[[rate_limiting.exemptions]]
type = "ip"
value = "10.0.0.0/8"
[rate_limiting.progressive_penalties]
enabled = true
penalty_multipliers = [3]
[rate_limiting.admin]
token_env = "TOKEN"
[rate_limiting.metrics]
top_clients = 3
)";

TEST(ToToml, IsReadBackAsTheSame) {
  for (const std::string_view toml : {std::string_view(""), kEverything}) {
    const std::string once = to_toml(parsed(toml));
    const RateLimitConfig again = parsed(once);
    EXPECT_EQ(to_toml(again), once);
    EXPECT_TRUE(validate(again).empty());
  }
  const RateLimitConfig again = parsed(to_toml(parsed(kEverything)));
  ASSERT_EQ(again.endpoints.size(), 1U);
  ASSERT_EQ(again.tiers.size(), 1U);
  EXPECT_EQ(again.default_limit, parsed(kEverything).default_limit);
  EXPECT_EQ(again.endpoints[0].tiers, parsed(kEverything).endpoints[0].tiers);
  EXPECT_EQ(again.memory.mode, 0660U);
  EXPECT_EQ(again.log, "a \"quoted\" file");
  EXPECT_TRUE(again.tiers[0].limit.windows.empty());
}

TEST(ToToml, NamesEveryKey) {
  RateLimitConfig config = parsed(kEverything);
  config.client_identification.jwt =
      JwtConfig{.public_key_file = "p", .jwks_file = "j", .issuer = "i", .audience = "a"};
  config.redis.url = "redis://localhost";
  config.redis.hash_key_env = config.redis.ca_file = config.redis.cert_file =
      config.redis.key_file = "x";
  config.redis.sentinel.sentinels.emplace_back();
  config.redis.sentinel.username = config.redis.sentinel.password_env = "x";
  const std::string text = to_toml(config);
  for (const config::KeyDoc& key : config::known_keys()) {
    const std::string last = key.path.substr(key.path.rfind('.') + 1);
    EXPECT_NE(text.find(last), std::string::npos) << key.path;
  }
}

}  // namespace
}  // namespace tidegate
