#include "config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "config/kind.hpp"
#include "config/limit.hpp"
#include "core/redis_url.hpp"

namespace tidegate::config {
namespace {

const std::string kRootPath{kRoot};

std::string item_path(std::string_view list, std::size_t index) {
  return fmt::format("{}.{}[{}]", kRoot, list, index);
}

/// Names of one kind, each of which may be taken once.
class Names {
 public:
  explicit Names(Findings& findings) : findings_(findings) {}

  /// `path` is where the name comes from, `owner` the rule or tier that has it. `origin` says how
  /// it came by a name that nobody wrote.
  void take(const std::string& path, const std::string& owner, const std::string& name,
            std::string_view origin = "") {
    constexpr std::array<std::string_view, 3> kOurs{"default", "preflight", "other"};
    const auto found = [&] {
      return describe(Node{.place = {}, .value = name}) + std::string{origin};
    };
    if (std::ranges::find(kOurs, name) != kOurs.end()) {
      findings_.fault(path,
                      refusal(found(), "any name but \"default\", \"preflight\" and \"other\"",
                              "these name counts of our own"));
      return;
    }
    const auto [other, fresh] = owners_.emplace(name, owner);
    if (!fresh) {
      findings_.fault(path, refusal(found(), "a name of its own",
                                    fmt::format("{} has this one", other->second)));
    }
  }

 private:
  Findings& findings_;
  std::map<std::string, std::string> owners_;
};

void check_rule_name(Findings& findings, Names& names, const std::string& path,
                     const EndpointConfig& endpoint) {
  if (findings.faulty_within(path + ".name") || findings.faulty(path + ".pattern") ||
      findings.faulty_within(path + ".methods")) {
    return;
  }
  const bool made = findings.given(path + ".pattern") && !findings.given(path + ".name");
  if (made && printable_name().problem(endpoint.name)) {
    findings.fault(path + ".pattern",
                   refusal("a pattern that makes no name", printable_name().allowed,
                           "without `name` the rule is called by its methods and pattern"));
    return;
  }
  names.take(path + (made ? ".pattern" : ".name"), path, endpoint.name,
             made ? " as the rule's name (made of methods and pattern)" : "");
}

/// A request whose cost no window can hold never passes: allowed, but hardly meant.
void check_cost(Findings& findings, const std::string& path, std::uint64_t cost,
                const std::string& limit_path, const LimitConfig& limit) {
  if (findings.faulty(path + ".cost") || findings.faulty_within(limit_path)) return;
  for (const WindowConfig& window : limit.windows) {
    const std::uint64_t capacity = window.burst.value_or(window.limit);
    if (window.limit != 0 && cost > capacity) {
      return findings.warn(path + ".cost",
                           fmt::format("{} is above the {} of {}: such a request can never pass",
                                       cost, capacity, limit_path));
    }
  }
}

void check_tiers(Findings& findings, const RateLimitConfig& config, bool in_memory) {
  Names names(findings);
  for (std::size_t i = 0; i < config.tiers.size(); ++i) {
    const std::string path = item_path("tiers", i);
    if (findings.faulty(path)) continue;
    check_limit(findings, path, {}, config.tiers[i].limit, in_memory);
    if (!findings.faulty(path + ".name")) {
      names.take(path + ".name", path, config.tiers[i].name);
    }
  }
}

void check_endpoints(Findings& findings, const RateLimitConfig& config, bool in_memory) {
  Names names(findings);
  for (std::size_t i = 0; i < config.endpoints.size(); ++i) {
    const EndpointConfig& endpoint = config.endpoints[i];
    const std::string path = item_path("endpoints", i);
    if (findings.faulty(path)) continue;
    check_rule_name(findings, names, path, endpoint);
    check_limit(findings, path, {}, endpoint.limit, in_memory);
    check_cost(findings, path, endpoint.cost, path, endpoint.limit);
    for (const auto& [tier, limit] : endpoint.tiers) {
      const std::string tier_path = fmt::format("{}.tiers.{}", path, path_key(tier));
      if (printable_name().problem(tier)) {
        findings.fault(tier_path, refusal(describe(Node{.place = {}, .value = tier}),
                                          printable_name().allowed, "the key is the tier's name"));
      }
      if (findings.faulty(tier_path)) continue;
      check_limit(findings, tier_path, {}, limit, in_memory);
      check_cost(findings, path, endpoint.cost, tier_path, limit);
    }
  }
}

void check_exemptions(Findings& findings, const RateLimitConfig& config) {
  for (std::size_t i = 0; i < config.exemptions.size(); ++i) {
    const ExemptionConfig& exemption = config.exemptions[i];
    const std::string path = item_path("exemptions", i) + ".value";
    if (findings.faulty_within(item_path("exemptions", i))) continue;
    const Kind<std::string> kind = exemption.type == ExemptionConfig::Type::ip ? address_range()
                                   : exemption.type == ExemptionConfig::Type::endpoint
                                       ? endpoint_pattern()
                                       : line();
    if (const auto problem = kind.problem(exemption.value)) {
      findings.fault(path, refusal(kind.write(exemption.value), kind.allowed, *problem));
    }
  }
}

/// A rule that keeps timestamps needs room for those of one client at least.
void check_log_slots(Findings& findings, const RateLimitConfig& config) {
  std::uint64_t most = 0;
  const auto look = [&](const LimitConfig& limit) {
    if (limit.algorithm != Algorithm::sliding_window) return;
    for (const WindowConfig& window : limit.windows) most = std::max(most, window.limit);
  };
  look(config.default_limit);
  for (const TierConfig& tier : config.tiers) look(tier.limit);
  for (const EndpointConfig& endpoint : config.endpoints) {
    look(endpoint.limit);
    for (const auto& [tier, limit] : endpoint.tiers) look(limit);
  }
  if (most > config.memory.log_slots) {
    findings.fault(
        fmt::format("{}.memory.log_slots", kRoot),
        refusal(fmt::format("{}", config.memory.log_slots), fmt::format("at least {}", most),
                "the largest limit of a sliding_window, which keeps a timestamp for each"));
  }
}

void check_memory_mode(Findings& findings, const RateLimitConfig& config) {
  if ((config.memory.mode & 0006U) != 0) {
    findings.warn(fmt::format("{}.memory.mode", kRoot),
                  "every user of this host may read or change the counters");
  }
}

void check_tokens(Findings& findings, const std::string& path, const JwtConfig& jwt) {
  if (!jwt.public_key_file.empty() && !jwt.jwks_file.empty()) {
    findings.fault(path + ".jwks_file", refusal("public_key_file and jwks_file", "one of the two"));
  }
  const bool by_file = !jwt.public_key_file.empty() || !jwt.jwks_file.empty();
  // The default is no second source.
  if (by_file && !jwt.secret_env.empty() && findings.given(path + ".secret_env")) {
    findings.fault(path + ".secret_env",
                   refusal(fmt::format("secret_env and {}",
                                       jwt.jwks_file.empty() ? "public_key_file" : "jwks_file"),
                           "one of the two"));
  }
  if (!by_file && jwt.secret_env.empty() && jwt.verify_signature && !findings.faulty_within(path)) {
    findings.fault(
        path, refusal("no source of keys", "one of secret_env, public_key_file and jwks_file"));
  }
  for (std::size_t i = 0; i < jwt.algorithms.size(); ++i) {
    const std::string algorithm_path = fmt::format("{}.algorithms[{}]", path, i);
    const std::string& name = jwt.algorithms[i];
    const bool by_secret = name.starts_with("HS");
    if (findings.faulty(algorithm_path)) continue;
    if (by_secret && !jwt.public_key_file.empty()) {
      findings.fault(algorithm_path, refusal(fmt::format("\"{}\" beside public_key_file", name),
                                             "algorithms of public keys",
                                             "whoever has the public key could sign with it"));
    } else if (!by_secret && !by_file && jwt.verify_signature) {
      findings.fault(algorithm_path,
                     refusal(fmt::format("\"{}\" with a secret", name), "HS256, HS384, HS512",
                             "it needs public_key_file or jwks_file"));
    }
  }
}

void check_identification(Findings& findings, const ClientIdentificationConfig& config) {
  const std::string path = fmt::format("{}.client_identification", kRoot);
  if (config.trusted_proxy_depth != 0 && !config.trusted_proxies.empty()) {
    findings.fault(path + ".trusted_proxies",
                   refusal("trusted_proxy_depth and trusted_proxies", "one of the two"));
  }
  if (!config.jwt) return;
  check_tokens(findings, path + ".jwt", *config.jwt);
  if (std::ranges::find(config.identify, "jwt") == config.identify.end() &&
      !findings.faulty_within(path + ".identify")) {
    findings.warn(path + ".identify", "has no \"jwt\", so no token is looked at");
  }
}

/// What a topology leaves of what a URL may say.
void check_redis_url(Findings& findings, const RateLimitConfig& config, const std::string& path) {
  using Topology = RedisConfig::Topology;
  const RedisConfig& redis = config.redis;
  if (findings.faulty(path)) return;
  if (redis.url.empty()) {
    if (config.backend == BackendKind::redis && redis.topology != Topology::sentinel) {
      findings.fault(path, refusal("nothing, and backend \"redis\"",
                                   "where Redis is, as \"redis://localhost:6379/0\""));
    } else if (config.backend == BackendKind::memory && redis.topology != Topology::single) {
      findings.warn(
          fmt::format("{}.redis.topology", kRoot),
          "is of no use: with neither a url nor backend = \"redis\" counts are in memory");
    }
    return;
  }
  const auto url = parse_redis_url(redis.url);
  if (!url || redis.topology != Topology::cluster) return;
  if (!url->path.empty()) {
    findings.fault(path,
                   "found a unix socket, allowed with topology \"cluster\": a host and a port");
  } else if (url->database != 0) {
    findings.fault(path, fmt::format("found the database {}, allowed with topology \"cluster\": 0",
                                     url->database));
  }
}

void check_redis(Findings& findings, const RateLimitConfig& config) {
  const RedisConfig& redis = config.redis;
  const std::string path = fmt::format("{}.redis", kRoot);
  check_redis_url(findings, config, path + ".url");
  const std::string sentinels = path + ".sentinel.sentinels";
  if (redis.topology == RedisConfig::Topology::sentinel && redis.sentinel.sentinels.empty() &&
      !findings.faulty(sentinels)) {
    findings.fault(path + ".topology",
                   refusal("\"sentinel\" without sentinels",
                           "\"sentinel\" with at least one in sentinel.sentinels"));
  }
  if (redis.cert_file.empty() != redis.key_file.empty() && !findings.faulty(path + ".cert_file") &&
      !findings.faulty(path + ".key_file")) {
    findings.fault(path + (redis.cert_file.empty() ? ".key_file" : ".cert_file"),
                   refusal("one without the other", "cert_file and key_file together"));
  }
}

}  // namespace

void check_together(Findings& findings, const RateLimitConfig& config) {
  const bool in_memory =
      config.backend == BackendKind::memory || config.failure_mode == FailureMode::local;
  check_limit(findings, kRootPath, kDefaultLimitNames, config.default_limit, in_memory);
  check_tiers(findings, config, in_memory);
  check_endpoints(findings, config, in_memory);
  check_exemptions(findings, config);
  check_log_slots(findings, config);
  check_memory_mode(findings, config);
  check_identification(findings, config.client_identification);
  check_redis(findings, config);
}

}  // namespace tidegate::config
