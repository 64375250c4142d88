// A configuration built by hand, as the text of a file.
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "config/checks.hpp"
#include "config/duration.hpp"
#include "config/write.hpp"
#include "tidegate/config.hpp"

namespace tidegate {
namespace {

using config::Array;
using config::Node;
using config::Table;

Node node(auto value) { return {.place = {}, .value = std::move(value)}; }
Node value_of(bool value) { return node(value); }
Node value_of(const std::string& value) { return node(value); }
Node value_of(std::string_view value) { return node(std::string(value)); }
Node value_of(const char* value) { return node(std::string(value)); }
Node value_of(std::integral auto value) { return node(static_cast<std::int64_t>(value)); }
Node value_of(std::chrono::microseconds value) { return node(config::format_duration(value)); }
Node value_of(Table value) { return node(std::move(value)); }

template <class Items, class Write>
Node array_of(const Items& items, Write write) {
  Array array;
  for (const auto& item : items) array.push_back(write(item));
  return node(std::move(array));
}
Node value_of(const std::vector<std::string>& values) {
  return array_of(values, [](const std::string& value) { return value_of(value); });
}

void add(Table& table, std::string_view key, auto&& value) {
  table.push_back({std::string(key), {}, value_of(std::forward<decltype(value)>(value))});
}
void add_node(Table& table, std::string_view key, Node value) {
  table.push_back({std::string(key), {}, std::move(value)});
}
/// Empty: left out, as in a file.
void add_if_any(Table& table, std::string_view key, const auto& value) {
  if (!value.empty()) add(table, key, value);
}

void add_window(Table& table, const WindowConfig& window, std::string_view limit_key,
                std::string_view window_key) {
  add(table, limit_key, window.limit);
  add(table, window_key, window.window);
  if (window.burst) add(table, "burst", *window.burst);
}

void add_limit(Table& table, const LimitConfig& limit, std::string_view limit_key = "limit",
               std::string_view window_key = "window") {
  add(table, "algorithm", to_string(limit.algorithm));
  if (limit.windows.empty()) {
    add(table, limit_key, "unlimited");
    return;
  }
  add_window(table, limit.windows.front(), limit_key, window_key);
  if (limit.windows.size() == 1) return;
  const std::vector<WindowConfig> further(limit.windows.begin() + 1, limit.windows.end());
  add_node(table, "windows", array_of(further, [](const WindowConfig& window) {
             Table one;
             add_window(one, window, "limit", "window");
             return value_of(std::move(one));
           }));
}

Table table_of(const MemoryConfig& memory) {
  Table table;
  add(table, "capacity", memory.capacity);
  add(table, "segment", memory.segment);
  add(table, "mode", fmt::format("{:04o}", memory.mode));
  add_if_any(table, "group", memory.group);
  add(table, "log_slots", memory.log_slots);
  return table;
}

Table table_of(const SentinelConfig& sentinel) {
  Table table;
  add(table, "service_name", sentinel.service_name);
  add_node(table, "sentinels",
           array_of(sentinel.sentinels, [](const SentinelConfig::Address& address) {
             Table one;
             add(one, "host", address.host);
             add(one, "port", address.port);
             return value_of(std::move(one));
           }));
  add_if_any(table, "username", sentinel.username);
  add_if_any(table, "password_env", sentinel.password_env);
  return table;
}

Table table_of(const RedisConfig& redis) {
  Table table;
  add_if_any(table, "url", redis.url);
  add(table, "topology", to_string(redis.topology));
  add(table, "pool_size", redis.pool_size);
  add(table, "connect_timeout", redis.connect_timeout);
  add(table, "socket_timeout", redis.socket_timeout);
  add(table, "decision_timeout", redis.decision_timeout);
  add(table, "circuit_breaker_threshold", redis.circuit_breaker_threshold);
  add(table, "circuit_breaker_timeout", redis.circuit_breaker_timeout);
  add(table, "key_prefix", redis.key_prefix);
  add_if_any(table, "hash_key_env", redis.hash_key_env);
  add_if_any(table, "ca_file", redis.ca_file);
  add_if_any(table, "cert_file", redis.cert_file);
  add_if_any(table, "key_file", redis.key_file);
  add(table, "verify", redis.verify);
  if (!redis.sentinel.sentinels.empty()) add(table, "sentinel", table_of(redis.sentinel));
  return table;
}

Table table_of(const JwtConfig& jwt) {
  Table table;
  add(table, "algorithms", jwt.algorithms);
  const bool by_file = !jwt.public_key_file.empty() || !jwt.jwks_file.empty();
  add(table, "secret_env", by_file ? std::string() : jwt.secret_env);
  add_if_any(table, "public_key_file", jwt.public_key_file);
  add_if_any(table, "jwks_file", jwt.jwks_file);
  add(table, "user_claim", jwt.user_claim);
  add(table, "tier_claim", jwt.tier_claim);
  add_if_any(table, "issuer", jwt.issuer);
  add_if_any(table, "audience", jwt.audience);
  add(table, "leeway", jwt.leeway);
  add(table, "verify_signature", jwt.verify_signature);
  add(table, "max_failures_per_second", jwt.max_failures_per_second);
  return table;
}

Table table_of(const ClientIdentificationConfig& known) {
  Table table;
  add(table, "identify", known.identify);
  add(table, "trusted_proxy_depth", known.trusted_proxy_depth);
  add(table, "trusted_proxies", known.trusted_proxies);
  add(table, "ipv6_prefix", known.ipv6_prefix);
  if (known.jwt) add(table, "jwt", table_of(*known.jwt));
  return table;
}

Table table_of(const EndpointConfig& endpoint) {
  Table table;
  add_if_any(table, "name", endpoint.name);
  add(table, "pattern", endpoint.pattern);
  add_if_any(table, "methods", endpoint.methods);
  add_limit(table, endpoint.limit);
  add(table, "cost", endpoint.cost);
  constexpr std::string_view kPer[] = {"client", "address", "all"};
  add(table, "per", kPer[static_cast<std::size_t>(endpoint.per)]);
  add(table, "priority", endpoint.priority);
  add(table, "shadow", endpoint.shadow);
  Table tiers;
  for (const auto& [tier, limit] : endpoint.tiers) {
    Table one;
    add_limit(one, limit);
    add(tiers, tier, std::move(one));
  }
  if (!tiers.empty()) add(table, "tiers", std::move(tiers));
  return table;
}

Table table_of(const TierConfig& tier) {
  Table table;
  add(table, "name", tier.name);
  add_limit(table, tier.limit);
  return table;
}

Table table_of(const ExemptionConfig& exemption) {
  Table table;
  add(table, "type", to_string(exemption.type));
  add(table, "value", exemption.value);
  return table;
}

Table table_of(const ProgressivePenaltiesConfig& penalties) {
  Table table;
  add(table, "enabled", penalties.enabled);
  add(table, "detection_window", penalties.detection_window);
  add(table, "violation_threshold", penalties.violation_threshold);
  add_node(table, "penalty_multipliers",
           array_of(penalties.penalty_multipliers, [](auto each) { return value_of(each); }));
  return table;
}

template <class Items>
void add_tables(Table& table, std::string_view key, const Items& items) {
  if (items.empty()) return;
  add_node(table, key, array_of(items, [](const auto& item) { return value_of(table_of(item)); }));
}

}  // namespace

std::string to_toml(const RateLimitConfig& config) {
  constexpr std::string_view kModes[] = {"fail_open", "fail_closed", "local"};
  constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
  Table table;
  add(table, "enabled", config.enabled);
  add(table, "namespace", config.name_space);
  add_limit(table, config.default_limit, "default_limit", "default_window");
  add(table, "failure_mode", kModes[static_cast<std::size_t>(config.failure_mode)]);
  add(table, "backend", to_string(config.backend));
  add(table, "shadow", config.shadow);
  std::vector<std::string> headers;
  if (config.x_ratelimit_headers) headers.emplace_back("x-ratelimit");
  if (config.ietf_headers) headers.emplace_back("ietf");
  add(table, "headers", headers);
  add(table, "retry_after", config.retry_after == RetryAfter::longest ? "longest" : "shortest");
  add(table, "exempt_endpoints", config.exempt_endpoints);
  add(table, "log", config.log);
  add(table, "log_level", kLevels[static_cast<std::size_t>(config.log_level)]);
  add(table, "memory", table_of(config.memory));
  add(table, "redis", table_of(config.redis));
  add(table, "client_identification", table_of(config.client_identification));
  add_tables(table, "tiers", config.tiers);
  add_tables(table, "endpoints", config.endpoints);
  add_tables(table, "exemptions", config.exemptions);
  add(table, "progressive_penalties", table_of(config.progressive_penalties));
  Table admin;
  add(admin, "token_env", config.admin_token_env);
  add(table, "admin", std::move(admin));
  Table metrics;
  add(metrics, "top_clients", config.top_clients);
  add(table, "metrics", std::move(metrics));
  return config::write_table(std::string(config::kRoot), table);
}

}  // namespace tidegate
