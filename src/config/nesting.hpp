// A guard in front of the TOML parser, which builds and destroys tables by recursion: a megabyte of
// `[a.a.a.a` would overflow the stack. And where it expects white space it has no defined behaviour
// for many characters outside ASCII, which TOML allows in strings and comments only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tidegate::config {

/// The most parts one dotted key or table header may have, and the most arrays and inline tables
/// that may stand within each other. Together they bound the depth of any document at about 1,000.
inline constexpr std::size_t kMaxKeyParts = 32;
inline constexpr std::size_t kMaxNestedValues = 32;

/// Columns count characters, as the parser's do.
struct TextPosition {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

/// Where a dotted key of more than kMaxKeyParts parts begins to be too long; nothing if there is
/// none. Follows strings and comments as TOML defines them, up to the first text that is not TOML,
/// where the parser stops too. (Nested values are counted by the parser itself.)
[[nodiscard]] std::optional<TextPosition> find_long_key(std::string_view toml);

/// Where the first character outside ASCII is that stands in no string and no comment. A byte-order
/// mark in front of everything is none.
[[nodiscard]] std::optional<TextPosition> find_bare_non_ascii(std::string_view toml);

}  // namespace tidegate::config
