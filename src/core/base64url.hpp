// base64url as RFC 7515 wants it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// The bytes that `text` stands for. Strict, so that each value has one spelling: no padding, no
/// blanks, no + and /, and no bits left over. Nothing if it is anything else.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

/// Appends the one spelling of `bytes`.
void append_base64url(std::string_view bytes, std::string& out);
[[nodiscard]] inline std::string encode_base64url(std::string_view bytes) {
  std::string text;
  append_base64url(bytes, text);
  return text;
}

}  // namespace tidegate
