#include "identity/base64url.hpp"

#include <cstdint>

namespace tidegate {
namespace {

constexpr int kNone = -1;

constexpr int value_of(char digit) {
  if (digit >= 'A' && digit <= 'Z') return digit - 'A';
  if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
  if (digit >= '0' && digit <= '9') return digit - '0' + 52;
  if (digit == '-') return 62;
  return digit == '_' ? 63 : kNone;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char digit : text) {
    const int value = value_of(digit);
    if (value == kNone) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  if ((held & ((std::uint32_t{1} << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace tidegate
