// The keys that a configuration names for tokens.
#pragma once

#include "config/findings.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

/// Takes the HMAC secret, or reads the file with public keys, into `loaded`. Keys that are not
/// there, are no keys, are weak, or do not fit the algorithms are faults; a key set of which only a
/// part can be used is a warning.
void take_token_keys(Findings& findings, const Environment& environment,
                     const FileReader& read_file, LoadedConfig& loaded);

}  // namespace tidegate::config
