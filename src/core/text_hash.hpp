// Tables of text that are asked with a view of it.
#pragma once

#include <functional>
#include <string_view>

namespace tidegate {

/// For std::unordered_map<std::string, T, TextHash, std::equal_to<>>.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

}  // namespace tidegate
