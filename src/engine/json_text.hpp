// Bytes as JSON strings and back. A byte above 0x7f stands in JSON as the character U+0080 to
// U+00FF of the same number, so that every request can be written down and nothing is lost.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// Appends `bytes` as a quoted JSON string of ASCII characters.
void append_json_bytes(std::string_view bytes, std::string& out);

/// UTF-8 text of characters up to U+00FF as the bytes of those numbers. Nothing if a character is
/// above or the text is not UTF-8.
[[nodiscard]] std::optional<std::string> bytes_of_json_text(std::string_view utf8);

}  // namespace tidegate
