// One value of a header that may come in several lines.
#pragma once

#include <cstdint>
#include <string_view>

#include "tidegate/decision.hpp"

namespace tidegate {

/// Without the blanks and tabs around it, which are no part of a header's value.
[[nodiscard]] inline std::string_view trim_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

enum class HeaderState : std::uint8_t {
  absent,
  empty,
  contradictory,  ///< several lines that differ
  present
};

struct HeaderValue {
  HeaderState state = HeaderState::absent;
  std::string_view text;  ///< as long as the headers live
};

/// `headers` may be null.
[[nodiscard]] HeaderValue read_header(const HeaderLines* headers, std::string_view name);

}  // namespace tidegate
