#include "config/nesting.hpp"

#include <algorithm>

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

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Hands every byte that is in no string and no comment to `stop`, and says where it returned true.
template <class Stop>
std::optional<TextPosition> find_bare(std::string_view toml, Stop stop) {
  TextPosition position;
  const auto pass = [&](char c) {
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else if (!continues_character(c)) {
      ++position.column;
    }
  };
  for (std::size_t at = 0; at < toml.size();) {
    const char c = toml[at];
    std::size_t end = at + 1;
    if (c == '"' || c == '\'') {
      end = std::min(at + string_length(toml.substr(at)), toml.size());
    } else if (c == '#') {
      end = std::min(toml.find('\n', at), toml.size());
    } else if (stop(c)) {
      return position;
    }
    for (; at < end; ++at) pass(toml[at]);
  }
  return std::nullopt;
}

}  // namespace

std::optional<TextPosition> find_long_key(std::string_view toml) {
  std::size_t parts = 1;
  return find_bare(toml, [&](char c) {
    if (c == '.') return ++parts > kMaxKeyParts;
    if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) parts = 1;
    return false;
  });
}

std::optional<TextPosition> find_bare_non_ascii(std::string_view toml) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (toml.starts_with(kByteOrderMark)) toml.remove_prefix(kByteOrderMark.size());
  return find_bare(toml, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace tidegate::config
