// Every key of the configuration, for whoever must name them all.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::config {

struct KeyDoc {
  std::string path;      ///< below rate_limiting: "memory.capacity", "endpoints[].limit"
  std::string type;      ///< "integer"
  std::string standard;  ///< the default as TOML, or "required"
  std::string allowed;   ///< what may be written
  std::string about;     ///< what it does, in one phrase
};

/// In the order of the documentation.
[[nodiscard]] const std::vector<KeyDoc>& known_keys();

/// "RATE_LIMIT_MEMORY__CAPACITY" for "memory.capacity".
[[nodiscard]] std::string environment_name(std::string_view path);

/// The fault for a key nobody knows: suggests a key of that name from another table, else the
/// nearest of `siblings`, the keys that are known where it stands.
[[nodiscard]] std::string unknown_key(std::string_view key, std::span<const std::string> siblings);

/// The table of docs/configuration.md.
[[nodiscard]] std::string keys_as_markdown();

}  // namespace tidegate::config
