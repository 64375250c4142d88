// Names in HTTP know no case, and are ASCII whatever the locale says.
#pragma once

#include <algorithm>
#include <string_view>

namespace tidegate {

/// Compares ASCII text without regard to case. Other bytes are compared as they are.
[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace tidegate
