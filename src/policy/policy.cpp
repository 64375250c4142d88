#include "policy/policy.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tidegate {
namespace {

constexpr std::string_view kAnonymous = "anonymous";

/// `default`, `preflight`, then the endpoints.
std::vector<Rule> make_rules(const RateLimitConfig& config, const HashKey& hash_key) {
  const auto limit = [&](std::string_view rule, const LimitConfig& limit_config) {
    return make_limit(config.name_space, rule, limit_config, hash_key);
  };
  std::vector<Rule> rules(2);
  rules[0].name = "default";
  rules[0].limit = limit("default", config.default_limit);
  for (const TierConfig& tier : config.tiers) {
    rules[0].tiers.emplace(tier.name, limit("default", tier.limit));
  }
  rules[0].shadow = config.shadow;
  rules[1].name = "preflight";
  rules[1].shadow = config.shadow;
  rules[1].limit = limit("preflight", config.default_limit);
  for (const EndpointConfig& endpoint : config.endpoints) {
    Rule& rule = rules.emplace_back();
    rule.name = endpoint.name;
    rule.cost = endpoint.cost;
    rule.per = endpoint.per;
    rule.shadow = config.shadow || endpoint.shadow;
    rule.limit = limit(rule.name, endpoint.limit);
    for (const auto& [tier, tier_limit] : endpoint.tiers) {
      rule.tiers.emplace(tier, limit(rule.name, tier_limit));
    }
  }
  return rules;
}

std::map<std::string, std::uint32_t, std::less<>> make_names(const std::vector<Rule>& rules) {
  std::map<std::string, std::uint32_t, std::less<>> names;
  for (std::uint32_t i = 0; i < rules.size(); ++i) names.emplace(rules[i].name, i);
  return names;
}

EndpointMatcher make_endpoints(const RateLimitConfig& config) {
  std::vector<EndpointMatcher::Entry> entries;
  std::uint32_t rule = 2;
  for (const EndpointConfig& endpoint : config.endpoints) {
    if (!endpoint.pattern.empty()) {
      entries.push_back({endpoint.pattern, endpoint.methods, endpoint.priority, rule});
    }
    ++rule;
  }
  return EndpointMatcher(entries);
}

EndpointMatcher make_exempt_endpoints(const RateLimitConfig& config) {
  std::vector<EndpointMatcher::Entry> entries;
  const auto add = [&entries](const std::string& pattern) {
    entries.push_back({.pattern = pattern, .methods = {}});
  };
  for (const std::string& pattern : config.exempt_endpoints) add(pattern);
  for (const ExemptionConfig& exemption : config.exemptions) {
    if (exemption.type == ExemptionConfig::Type::endpoint) add(exemption.value);
  }
  return EndpointMatcher(entries);
}

std::set<std::string, std::less<>> make_exempt_users(const RateLimitConfig& config) {
  std::set<std::string, std::less<>> users;
  for (const ExemptionConfig& exemption : config.exemptions) {
    if (exemption.type == ExemptionConfig::Type::user_id) users.insert("user:" + exemption.value);
  }
  return users;
}

std::vector<Cidr> make_exempt_addresses(const RateLimitConfig& config) {
  std::vector<Cidr> ranges;
  for (const ExemptionConfig& exemption : config.exemptions) {
    if (exemption.type != ExemptionConfig::Type::ip) continue;
    if (const auto range = Cidr::parse(exemption.value)) ranges.push_back(*range);
  }
  return ranges;
}

std::set<std::string, std::less<>> make_tiers(const RateLimitConfig& config) {
  std::set<std::string, std::less<>> tiers{std::string(kAnonymous)};
  for (const TierConfig& tier : config.tiers) tiers.insert(tier.name);
  for (const EndpointConfig& endpoint : config.endpoints) {
    for (const auto& [tier, limit] : endpoint.tiers) tiers.insert(tier);
  }
  return tiers;
}

/// None if they are off, or if nothing is ever rejected.
std::optional<Penalties> make_penalties(const RateLimitConfig& config, const HashKey& hash_key) {
  const ProgressivePenaltiesConfig& its = config.progressive_penalties;
  if (!its.enabled || config.shadow) return std::nullopt;
  // No rule's name: those are printable.
  const auto key = [&](std::string_view what) {
    return siphash128(hash_key, config.name_space + '\0' + '\1' + std::string(what));
  };
  return Penalties{.detection = static_cast<Ticks>(its.detection_window.count()) * kTicksPerMicro,
                   .threshold = its.violation_threshold,
                   .multipliers = its.penalty_multipliers,
                   .count_key = key("violations"),
                   .cooldown_key = key("cooldown")};
}

}  // namespace

Policy::Policy(const RateLimitConfig& config, const HashKey& hash_key)
    : config_(config),
      hash_key_(hash_key),
      rules_(make_rules(config, hash_key)),
      names_(make_names(rules_)),
      tiers_(make_tiers(config)),
      endpoints_(make_endpoints(config)),
      exempt_endpoints_(make_exempt_endpoints(config)),
      exempt_addresses_(make_exempt_addresses(config)),
      exempt_users_(make_exempt_users(config)),
      penalties_(make_penalties(config, hash_key)) {}

std::expected<std::unique_ptr<Policy>, Error> Policy::compile(const RateLimitConfig& config,
                                                              const HashKey& hash_key) {
  std::unique_ptr<Policy> policy(new Policy(config, hash_key));
  auto counters = lay_out_counters(policy->rules_);
  if (!counters) return std::unexpected(std::move(counters.error()));
  policy->counters_ = std::move(*counters);
  return policy;
}

const Rule& Policy::match(std::string_view path, std::string_view method) const {
  const std::uint32_t rule = endpoints_.match(path, method);
  return rule == EndpointMatcher::kNoRule ? default_rule() : rules_[rule];
}

const Rule& Policy::named(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? default_rule() : rules_[found->second];
}

bool Policy::exempt(std::string_view path, std::string_view method) const {
  return exempt_endpoints_.match(path, method) != EndpointMatcher::kNoRule;
}

bool Policy::exempt_user(const ClientIdentity& client) const {
  return client.client_type == ClientType::user && exempt_users_.contains(client.client_id);
}

bool Policy::exempt_address(const IpAddress& address) const {
  return std::ranges::any_of(exempt_addresses_,
                             [&](const Cidr& range) { return range.contains(address); });
}

bool Policy::known_tier(std::string_view tier) const { return tiers_.contains(tier); }

std::vector<const Counter*> Policy::counters_of(const Rule& rule) const {
  const auto number = static_cast<std::uint32_t>(&rule - rules_.data());
  std::vector<const Counter*> found;
  std::ranges::copy_if(counters(), std::back_inserter(found),
                       [number](const Counter* counter) { return counter->rule == number; });
  return found;
}

const Limit& Policy::get_applicable_limit(const Rule& rule, std::string_view tier) {
  const auto found = rule.tiers.find(tier);
  return found == rule.tiers.end() ? rule.limit : found->second;
}

}  // namespace tidegate
