// Names in HTTP know no case, and are ASCII whatever the locale says.
#pragma once

#include <algorithm>
#include <string_view>

namespace tidegate {

[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Compares ASCII text without regard to case. Other bytes are compared as they are.
[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ascii_lower, ascii_lower);
}

}  // namespace tidegate
