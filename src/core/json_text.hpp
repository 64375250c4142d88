// Text of a request inside a JSON string, and whether it is UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidegate {

/// Length of the UTF-8 character that `text`, which is not empty, begins with; 0 if it begins with
/// none.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

/// Appends `text` escaped for the inside of a JSON string, whatever bytes it holds: UTF-8 stays as
/// it is, control characters become \u00xx, a byte that is no UTF-8 becomes U+FFFD. At most
/// `max_bytes` are appended, escapes included; what is cut off is cut between characters.
void append_json_text(std::string_view text, std::size_t max_bytes, std::string& out);

}  // namespace tidegate
