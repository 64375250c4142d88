// check and explain: what a configuration says, without a server.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "adapters/posix/segment.hpp"
#include "apps/tidegate/commands.hpp"
#include "engine/explain.hpp"
#include "engine/header_list.hpp"
#include "engine/window_words.hpp"

namespace tidegate::command {
namespace {

/// Adds a header line; false if it is not "Name: value".
bool add_header(std::string_view line, HeaderList& headers) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  headers.add(std::string(line.substr(0, colon)), std::string(value));
  return true;
}

/// What is wrong with the configuration as a whole, as faults of single keys are written.
std::string fault_of(const LoadedConfig& loaded, const Error& error) {
  return to_string(Fault{.file = loaded.file, .key = "rate_limiting", .message = error.message});
}

void print_limit(std::string_view name, const Limit& limit) {
  if (limit.empty()) fmt::print("  {}: unlimited\n", name);
  for (const Counter& counter : limit) fmt::print("  {}: {}\n", name, describe(counter.window));
}

/// What a valid configuration would enforce.
void print_policy(const Policy& policy) {
  const RateLimitConfig& config = policy.config();
  if (!config.enabled) fmt::print("rate limiting is switched off (enabled = false)\n");
  print_limit("default", Policy::get_applicable_limit(policy.default_rule(), ""));
  for (const TierConfig& tier : config.tiers) {
    print_limit(fmt::format("tier {}", tier.name),
                Policy::get_applicable_limit(policy.default_rule(), tier.name));
  }
  for (std::size_t i = 0; i < config.endpoints.size(); ++i) {
    const EndpointConfig& endpoint = config.endpoints[i];
    const Rule& rule = policy.rules()[policy.rules().size() - config.endpoints.size() + i];
    const std::string name = endpoint.name == endpoint.pattern
                                 ? endpoint.name
                                 : fmt::format("{} ({})", endpoint.name, endpoint.pattern);
    print_limit(name, rule.limit);
    for (const auto& [tier, limit] : rule.tiers) {
      print_limit(fmt::format("{}, tier {}", name, tier), limit);
    }
  }
  for (const std::string& pattern : config.exempt_endpoints) fmt::print("  {}: exempt\n", pattern);
  for (const ExemptionConfig& exemption : config.exemptions) {
    fmt::print("  {}: exempt\n", exemption.value);
  }
}

}  // namespace

std::optional<LoadedConfig> load_or_complain(const ConfigPath& path) {
  auto loaded = load_config(path);
  if (!loaded) {
    for (const Fault& fault : loaded.error()) fmt::print(stderr, "{}\n", to_string(fault));
    return std::nullopt;
  }
  for (const std::string& warning : loaded->warnings) fmt::print(stderr, "warning: {}\n", warning);
  return std::move(*loaded);
}

int check(const ConfigPath& config) {
  auto loaded = load_config(config);
  if (!loaded) {
    for (const Fault& fault : loaded.error()) fmt::print("{}\n", to_string(fault));
    return kNo;
  }
  for (const std::string& warning : loaded->warnings) fmt::print(stderr, "warning: {}\n", warning);
  const auto policy = Policy::compile(loaded->config, HashKey{});
  if (!policy) {
    fmt::print("{}\n", fault_of(*loaded, policy.error()));
    return kNo;
  }
  fmt::print("ok\n");
  print_policy(**policy);
  return kFine;
}

int explain(const ConfigPath& config, const ExplainOptions& options) {
  HeaderList headers;
  for (const std::string& line : options.headers) {
    if (!add_header(line, headers)) {
      fmt::print(stderr, "-H '{}': a header line is allowed, 'Name: value'\n", line);
      return kUsage;
    }
  }
  const auto peer = IpAddress::parse(options.peer);
  if (!peer && options.peer != "local") {
    fmt::print(stderr, "--peer {}: an address is allowed, or local for a unix socket\n",
               options.peer);
    return kUsage;
  }
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;

  // A header's value is hashed with the segment's key: with it the answer names the same client as
  // the logs do.
  HashKey key;
  if (const auto segment = posix::Segment::open_existing(loaded->config)) key = segment->hash_key();
  const auto policy = Policy::compile(loaded->config, key);
  if (!policy) {
    fmt::print(stderr, "{}\n", fault_of(*loaded, policy.error()));
    return kNo;
  }
  auto tokens = TokenVerifier::create(*loaded, key);
  if (!tokens) {
    fmt::print(stderr, "{}\n", fault_of(*loaded, tokens.error()));
    return kNo;
  }
  const Identifier identifier(loaded->config.client_identification, key, std::move(*tokens));
  const Request request{
      .peer = peer, .method = options.method, .target = options.target, .headers = &headers};
  fmt::print("{}", explain(**policy, identifier, request, posix::wall_us()));
  return kFine;
}

}  // namespace tidegate::command
