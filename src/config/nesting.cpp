#include "config/nesting.hpp"

namespace tidegate::config {
namespace {

/// The length of the string that begins at text[0], which is a quote. An unclosed one ends where
/// the parser gives up: at the end of the line, or of the text if it may have several lines.
std::size_t string_length(std::string_view text) {
  const char quote = text[0];
  const bool escapes = quote == '"';
  const bool many_lines = text.size() >= 3 && text[1] == quote && text[2] == quote;
  std::size_t at = many_lines ? 3 : 1;
  while (at < text.size()) {
    if (escapes && text[at] == '\\') {
      at += 2;
    } else if (!many_lines && (text[at] == quote || text[at] == '\n')) {
      return text[at] == quote ? at + 1 : at;
    } else if (many_lines && text.substr(at, 3) == std::string_view(text.data(), 3)) {
      at += 3;
      // Up to two quotes may stand directly before the closing three.
      for (int extra = 0; extra < 2 && at < text.size() && text[at] == quote; ++extra) ++at;
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

}  // namespace

std::optional<TextPosition> find_long_key(std::string_view toml) {
  TextPosition position;
  std::size_t line_start = 0;
  std::size_t parts = 1;
  for (std::size_t at = 0; at < toml.size();) {
    const char c = toml[at];
    if (c == '"' || c == '\'') {
      const std::size_t end = at + string_length(toml.substr(at));
      for (; at < end; ++at) {
        if (toml[at] == '\n') {
          ++position.line;
          line_start = at + 1;
        }
      }
      continue;
    }
    if (c == '#') {
      while (at < toml.size() && toml[at] != '\n') ++at;
      continue;
    }
    if (c == '.') {
      if (++parts > kMaxKeyParts) {
        position.column = static_cast<std::uint32_t>(at - line_start + 1);
        return position;
      }
    } else if (c == '\n') {
      ++position.line;
      line_start = at + 1;
      parts = 1;
    } else if (c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
      parts = 1;
    }
    ++at;
  }
  return std::nullopt;
}

}  // namespace tidegate::config
