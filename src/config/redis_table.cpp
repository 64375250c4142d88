#include "config/tables.hpp"

namespace tidegate::config {
namespace {

using namespace std::chrono_literals;

const Fields<SentinelConfig::Address>& address_fields() {
  using Address = SentinelConfig::Address;
  static const Fields<Address> fields{
      required(field("host", &Address::host, line(), "a sentinel's name or address")),
      field("port", &Address::port, integer<std::uint16_t>(1, 65'535), "and its port"),
  };
  return fields;
}

const Fields<SentinelConfig>& sentinel_fields() {
  static const Fields<SentinelConfig> fields{
      field("service_name", &SentinelConfig::service_name, line(),
            "what the sentinels call the master"),
      tables("sentinels", &SentinelConfig::sentinels, address_fields()),
      field("username", &SentinelConfig::username, or_empty(line(), "none"),
            "to log in to the sentinels"),
      field("password_env", &SentinelConfig::password_env,
            or_empty(environment_variable(), "no password"),
            "names the variable with the sentinels' password"),
  };
  return fields;
}

}  // namespace

const Fields<RedisConfig>& redis_fields() {
  using Topology = RedisConfig::Topology;
  const auto file = [] { return or_empty(file_path(), "none"); };
  static const Fields<RedisConfig> fields{
      field("url", &RedisConfig::url, or_empty(redis_url(), "no Redis"),
            "where Redis is, with user and password"),
      field("topology", &RedisConfig::topology,
            word<Topology>({{"single", Topology::single},
                            {"sentinel", Topology::sentinel},
                            {"cluster", Topology::cluster}}),
            "how the Redis servers belong together"),
      field("pool_size", &RedisConfig::pool_size, integer<std::uint32_t>(1, 10'000),
            "the most connections to one Redis node, over all workers"),
      field("connect_timeout", &RedisConfig::connect_timeout, duration(1ms, 1h),
            "for a connection to be made"),
      field("socket_timeout", &RedisConfig::socket_timeout, duration(1ms, 1h),
            "for a connection to answer"),
      field("decision_timeout", &RedisConfig::decision_timeout, duration(1ms, 1h),
            "what one request may wait before the failure mode decides"),
      field("circuit_breaker_threshold", &RedisConfig::circuit_breaker_threshold,
            integer<std::uint32_t>(1, 1'000'000),
            "failed exchanges in a row that open the breaker"),
      field("circuit_breaker_timeout", &RedisConfig::circuit_breaker_timeout, duration(1ms, 24h),
            "from there to the next probe"),
      field("key_prefix", &RedisConfig::key_prefix, file_safe_name(), "what every key begins with"),
      field("hash_key_env", &RedisConfig::hash_key_env,
            or_empty(environment_variable(), "a public key"),
            "names the variable with the secret that all hosts hash clients with"),
      field("ca_file", &RedisConfig::ca_file, file(), "rediss: whom to trust"),
      field("cert_file", &RedisConfig::cert_file, file(), "rediss: our certificate"),
      field("key_file", &RedisConfig::key_file, file(), "rediss: its key"),
      field("verify", &RedisConfig::verify, boolean(), "rediss: check the server's certificate"),
      table("sentinel", &RedisConfig::sentinel, sentinel_fields()),
  };
  return fields;
}

}  // namespace tidegate::config
