// Environment variables laid over the configuration file.
#pragma once

#include <string>
#include <vector>

#include "config/document.hpp"
#include "config/findings.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

/// Replaces values of `root` ([rate_limiting]) by those of the environment. The places of new
/// values name the variable and refer to `environment`, which must live on.
///   RATE_LIMIT_MEMORY__CAPACITY   any key, its path in capitals, `__` between tables
///   RATE_LIMIT_DEFAULT            "100" or "100/minute": default_limit and default_window
/// The longer name wins. Values are TOML values; what is no TOML value is a string, unless it
/// begins like an array, a table or a quoted string: then it is a fault.
void overlay_environment(Findings& findings, const Environment& environment, Table& root);

/// Warns of RATE_LIMIT_ variables that nothing reads (the prefix is not ours alone, so they are no
/// fault), and of REDIS_URL while there is no Redis backend.
[[nodiscard]] std::vector<std::string> environment_warnings(const Environment& environment,
                                                            const RateLimitConfig& config);

}  // namespace tidegate::config
