// The configuration compiled for matching: an immutable value. A reload swaps a pointer to it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "policy/matcher.hpp"
#include "policy/path.hpp"
#include "policy/pattern.hpp"
#include "store/charge.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// The windows that are enforced together for one rule and tier. Empty: unlimited.
using Limit = std::vector<Counter>;

/// A rule: a name that counters hang on, and the limits of its tiers.
struct Rule {
  std::string name;
  std::uint64_t cost = 1;
  Limit limit;
  std::map<std::string, Limit, std::less<>> tiers;  ///< instead of `limit`, for these tiers
};

class Policy {
 public:
  /// `hash_key` is the store's: it keys the names of the counters. The configuration must be valid.
  /// An error if there are more windows than the overflow entries can serve.
  [[nodiscard]] static std::expected<std::unique_ptr<const Policy>, Error> compile(
      const RateLimitConfig& config, const HashKey& hash_key);

  [[nodiscard]] const RateLimitConfig& config() const { return config_; }
  [[nodiscard]] const HashKey& hash_key() const { return hash_key_; }

  /// The endpoint rule of one reading of a path, else the default rule.
  [[nodiscard]] const Rule& match(std::string_view path, std::string_view method) const;
  [[nodiscard]] bool exempt(std::string_view path, std::string_view method) const;
  [[nodiscard]] const Rule& default_rule() const { return rules_[0]; }
  [[nodiscard]] const Rule& preflight_rule() const { return rules_[1]; }
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

  /// Every counter in force, in a fixed order: the same in all processes with one configuration.
  [[nodiscard]] const std::vector<const Counter*>& counters() const { return counters_; }
  /// Names the counters and their shares of overflow entries and rings: two processes may share a
  /// segment only if theirs are equal.
  [[nodiscard]] Hash128 fingerprint() const { return fingerprint_; }

  /// The limit in force: the endpoint's entry for the tier, else the endpoint's limit, else the
  /// tier's limit, else the default.
  [[nodiscard]] const Limit& get_applicable_limit(const Rule& rule, std::string_view tier) const;

 private:
  Policy() = default;
  RateLimitConfig config_;
  HashKey hash_key_;
  std::vector<Rule> rules_;  // 0: default, 1: preflight, then the endpoints in file order
  std::map<std::string, Limit, std::less<>> tiers_;
  EndpointMatcher endpoints_;
  EndpointMatcher exempt_;
  std::vector<const Counter*> counters_;
  Hash128 fingerprint_;
};

}  // namespace tidegate
