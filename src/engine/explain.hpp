// Why a request is limited as it is, in plain words.
#pragma once

#include <string>

#include "engine/engine.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// Several lines, in the order of the decision: which client, what is exempt, which tier, how the
/// path is read, which patterns match it and why one of them wins, what is charged to which windows
/// and what those admit, and what the caller is told. Steps that are skipped say so. Asks no store
/// and takes nothing; values from the request are escaped. `wall_us` is what a token's times are
/// held against.
[[nodiscard]] std::string explain(const Policy& policy, const Identifier& identifier,
                                  const Request& request, Micros wall_us);

}  // namespace tidegate
