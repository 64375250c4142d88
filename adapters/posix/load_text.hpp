// What a configuration is made of besides its file.
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

/// A FileReader: the whole file, of 2 MiB at most.
[[nodiscard]] std::expected<std::string, std::string> read_key_file(const std::string& path);

}  // namespace tidegate::posix
