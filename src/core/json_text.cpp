#include "core/json_text.hpp"

#include <array>

namespace tidegate {
namespace {

bool between(char c, unsigned low, unsigned high) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= low && byte <= high;
}

/// What utf8_length says; inlined below, which a function that others may call is not in
/// position-independent code. Neither overlong forms nor surrogates nor anything above U+10FFFF
/// (The Unicode Standard, table 3-7).
std::size_t length_of_first(std::string_view text) {
  const auto continues = [&text](std::size_t from, std::size_t to) {
    if (text.size() < to) return false;
    for (std::size_t i = from; i < to; ++i) {
      if (!between(text[i], 0x80, 0xbf)) return false;
    }
    return true;
  };
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !continues(1, 2)) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) {
    const bool overlong = first == 0xe0 && !between(text[1], 0xa0, 0xbf);
    const bool surrogate = first == 0xed && !between(text[1], 0x80, 0x9f);
    return overlong || surrogate || !continues(2, 3) ? 0 : 3;
  }
  const bool overlong = first == 0xf0 && !between(text[1], 0x90, 0xbf);
  const bool too_high = first == 0xf4 && !between(text[1], 0x80, 0x8f);
  return overlong || too_high || !continues(2, 4) ? 0 : 4;
}

}  // namespace

std::size_t utf8_length(std::string_view text) { return length_of_first(text); }

void append_json_text(std::string_view text, std::size_t max_bytes, std::string& out) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const std::size_t limit = out.size() + max_bytes;
  while (!text.empty()) {
    const std::size_t length = length_of_first(text);
    const char c = text[0];
    std::array<char, 6> escape{'\\', 'u', '0', '0', '0', '0'};
    std::string_view piece = text.substr(0, length);
    if (length == 0) {
      piece = "\\ufffd";
    } else if (c == '"' || c == '\\') {
      escape[1] = c;
      piece = {escape.data(), 2};
    } else if (between(c, 0, 0x1f) || c == 0x7f) {
      escape[4] = kHex[static_cast<unsigned char>(c) >> 4];
      escape[5] = kHex[static_cast<unsigned char>(c) & 0xf];
      piece = {escape.data(), escape.size()};
    }
    if (out.size() + piece.size() > limit) return;
    out += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace tidegate
