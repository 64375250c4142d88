// Names the counters of all rules and gives each its share of the store.
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "policy/rule.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// Names the counters of one limit. The tier is no part of a name: a second token opens no second
/// allowance. Their places and shares are left to lay_out_counters.
[[nodiscard]] Limit make_limit(std::string_view name_space, std::string_view rule,
                               const LimitConfig& config, const HashKey& hash_key);

struct CounterLayout {
  std::vector<const Counter*> counters;  ///< each key once, by key; points into the rules
  Hash128 fingerprint;                   ///< of keys and shares
};

/// Fills in the places and shares of all counters of `rules`. They depend on the keys alone, not on
/// the order of rules or tiers, and equal keys get the same. An error if there are more keys than
/// the overflow entries can serve.
[[nodiscard]] std::expected<CounterLayout, Error> lay_out_counters(std::vector<Rule>& rules,
                                                                   const HashKey& hash_key);

}  // namespace tidegate
