// The values of variables that a configuration names.
#pragma once

#include <map>
#include <string>

#include "config/findings.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

using Secrets = std::map<std::string, std::string, std::less<>>;

/// The secrets that the configuration asks for, by the names of their variables. One that is not
/// set, or empty, is a fault at the key that names it.
[[nodiscard]] Secrets take_secrets(Findings& findings, const Environment& environment,
                                   const RateLimitConfig& config);

/// What tokens are verified with: the secret, or the text of the file of keys. A secret or file
/// that is not there, or whose keys are none, is a fault at the key that names it. "" where there
/// are no tokens, or nothing is verified.
[[nodiscard]] std::string take_token_keys(Findings& findings, const Environment& environment,
                                          const FileReader& read_file,
                                          const RateLimitConfig& config);

}  // namespace tidegate::config
