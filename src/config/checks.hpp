// What must hold between several values of a configuration, wherever it came from.
#pragma once

#include <string_view>

#include "config/findings.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

inline constexpr std::string_view kRoot = "rate_limiting";

/// Limits, names, exemptions, proxies: every check that one value alone does not decide.
void check_together(Findings& findings, const RateLimitConfig& config);

}  // namespace tidegate::config
