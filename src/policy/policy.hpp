// The configuration compiled for matching: an immutable value. A reload swaps a pointer to it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/cidr.hpp"
#include "core/hash.hpp"
#include "policy/counters.hpp"
#include "policy/matcher.hpp"
#include "policy/path.hpp"
#include "policy/pattern.hpp"
#include "policy/rule.hpp"
#include "store/penalties.hpp"
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// Which rules there are, which one a path meets, and what is exempt. Thread-safe.
class Policy {
 public:
  /// `hash_key` is the store's: it keys the names of the counters. The configuration must be valid.
  /// An error if there are more windows than the overflow entries can serve.
  [[nodiscard]] static std::expected<std::unique_ptr<Policy>, Error> compile(
      const RateLimitConfig& config, const HashKey& hash_key);
  /// Every counter, for MemoryStore::bind; those of tiers with equal keys too. Only before the
  /// policy is shared.
  [[nodiscard]] std::vector<Counter*> counters_to_bind() { return all_counters(rules_); }

  [[nodiscard]] const RateLimitConfig& config() const { return config_; }
  [[nodiscard]] const HashKey& hash_key() const { return hash_key_; }

  /// The endpoint rule of one reading of a path, else the default rule.
  [[nodiscard]] const Rule& match(std::string_view path, std::string_view method) const;
  /// The rule of this name, else the default rule.
  [[nodiscard]] const Rule& named(std::string_view name) const;
  /// Whether one reading of a path is exempt.
  [[nodiscard]] bool exempt(std::string_view path, std::string_view method) const;
  /// Compares the full address, not its prefix group.
  [[nodiscard]] bool exempt_address(const IpAddress& address) const;
  /// Of clients only users: "user:42" is exempt where a user_id of "42" is.
  [[nodiscard]] bool exempt_user(const ClientIdentity& client) const;
  /// Whether the configuration names a tier, as its own or at an endpoint. "anonymous" is always
  /// one.
  [[nodiscard]] bool known_tier(std::string_view tier) const;

  [[nodiscard]] const Rule& default_rule() const { return rules_[0]; }
  [[nodiscard]] const Rule& preflight_rule() const { return rules_[1]; }
  /// `default`, `preflight`, then the endpoints in the order of the file.
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

  /// Every counter in force, each key once, in a fixed order: the same in all processes with one
  /// configuration.
  [[nodiscard]] const std::vector<const Counter*>& counters() const { return counters_; }
  /// Those of one rule, whatever the tier.
  [[nodiscard]] std::vector<const Counter*> counters_of(const Rule& rule) const;
  /// Progressive penalties; null: there are none.
  [[nodiscard]] const Penalties* penalties() const { return penalties_ ? &*penalties_ : nullptr; }

  /// The limit in force: the endpoint's entry for the tier, else the endpoint's limit; under the
  /// default rule the tier's limit, else the default.
  [[nodiscard]] static const Limit& get_applicable_limit(const Rule& rule, std::string_view tier);

 private:
  Policy(const RateLimitConfig& config, const HashKey& hash_key);

  RateLimitConfig config_;
  HashKey hash_key_;
  std::vector<Rule> rules_;
  std::map<std::string, std::uint32_t, std::less<>> names_;  ///< of rules, to their places
  std::set<std::string, std::less<>> tiers_;
  EndpointMatcher endpoints_;
  EndpointMatcher exempt_endpoints_;
  std::vector<Cidr> exempt_addresses_;
  std::set<std::string, std::less<>> exempt_users_;  // as the texts of clients
  std::vector<const Counter*> counters_;             // each key once; points into rules_
  std::optional<Penalties> penalties_;
};

}  // namespace tidegate
