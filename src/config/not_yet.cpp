// What the schema has and this version cannot do. Nothing may be accepted and then ignored, so
// asking for it is a fault; a value that asks for nothing passes. Whoever builds a feature deletes
// its lines here, and nothing else in this room changes.
#include <fmt/format.h>

#include "config/checks.hpp"

namespace tidegate::config {
namespace {

constexpr std::string_view kNotYet = "not available in this version";

void refuse(Findings& findings, std::string_view key, std::string_view feature) {
  const std::string path = fmt::format("{}.{}", kRoot, key);
  if (!findings.faulty(path)) findings.fault(path, fmt::format("{} {}", feature, kNotYet));
}

}  // namespace

void check_not_yet(Findings& findings, const RateLimitConfig& config) {
  if (config.backend == BackendKind::redis) {
    const bool by_url = !findings.given("rate_limiting.backend") && !config.redis.url.empty();
    refuse(findings, by_url ? "redis.url" : "backend", "the Redis backend is");
  } else if (config.redis.topology != RedisConfig::Topology::single &&
             !findings.given("rate_limiting.backend")) {
    refuse(findings, "redis.topology", "the Redis backend is");
  }
}

}  // namespace tidegate::config
