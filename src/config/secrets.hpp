// The values of variables that a configuration names.
#pragma once

#include <map>
#include <string>

#include "config/findings.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

using Secrets = std::map<std::string, std::string, std::less<>>;

/// The secret that `key` names a variable for. Null where there is none, which is a fault at `key`
/// unless no variable is named.
[[nodiscard]] const std::string* find_secret(Findings& findings, const Environment& environment,
                                             std::string_view key, const std::string& variable);
/// The secrets that the configuration asks for, by the names of their variables. One that is not
/// set, or empty, is a fault at the key that names it.
[[nodiscard]] Secrets take_secrets(Findings& findings, const Environment& environment,
                                   const RateLimitConfig& config);

/// Reads the files with certificates and keys for rediss:// into `loaded`. One that cannot be read
/// is a fault.
void take_redis_files(Findings& findings, const FileReader& read_file, LoadedConfig& loaded);

}  // namespace tidegate::config
