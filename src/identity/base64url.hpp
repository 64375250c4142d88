// base64url as tokens write it (RFC 7515, 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// The bytes of a text in base64url without padding. Nothing for any other character, an impossible
/// length, or bits at the end that stand for nothing: each value has one spelling.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace tidegate
