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

/// Fills in the places of all counters of `rules`, and what they would like of the store: an even
/// part of the overflow entries, and rings for the largest limit of their key. Returns each key
/// once, by key. An error if there are more keys than the overflow entries can serve.
[[nodiscard]] std::expected<std::vector<const Counter*>, Error> lay_out_counters(
    std::vector<Rule>& rules);

/// All counters, those of equal keys too: what a store is bound to.
[[nodiscard]] std::vector<Counter*> all_counters(std::vector<Rule>& rules);

}  // namespace tidegate
