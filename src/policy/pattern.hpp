// The text of an endpoint pattern, cut into segments.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidegate {

/// A pattern has at most this many segments; a match looks at no more segments of a path than that.
inline constexpr std::size_t kMaxPatternSegments = 64;

/// Takes the first segment off `rest`, the part of a canonical path or of a valid pattern behind
/// its first slash. Nothing is left of "" but "".
[[nodiscard]] inline std::string_view take_segment(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return segment;
}

/// Says what is wrong with a pattern, or "" if it is right: literal segments, `*` for one segment,
/// `**` (last) for any number, `*` (last) for one or more. Refuses what could never match a
/// canonical path (see read_path).
[[nodiscard]] std::string validate_pattern(std::string_view pattern);

}  // namespace tidegate
