// Values as TOML text again.
#pragma once

#include <string>

#include "config/document.hpp"

namespace tidegate::config {

/// A table that parse_document reads back as it was, without comments and places: one line for each
/// value, its key in full. `path` stands before the keys.
[[nodiscard]] std::string write_table(const std::string& path, const Table& table);

}  // namespace tidegate::config
