// A configuration from text that is no file's.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/config.hpp"

namespace tidegate::posix {

/// parse_config with the environment of this process. `file` is only named in faults.
[[nodiscard]] std::expected<LoadedConfig, std::vector<Fault>> load_text(std::string_view text,
                                                                        std::string_view file);

/// A file that a configuration names, as load_config reads it.
[[nodiscard]] std::expected<std::string, Error> read_key_file(const std::string& path);

}  // namespace tidegate::posix
