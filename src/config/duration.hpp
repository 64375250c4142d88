// Durations as people write them: "500ms", "30s", "5m", "1h", "1d".
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::config {

/// One unsigned integer and one unit, nothing between or around them. What is too large for the
/// type is its largest value. Nothing if `text` is anything else.
[[nodiscard]] std::optional<std::chrono::microseconds> parse_duration(std::string_view text);

/// The same for a number of seconds; nothing if it is negative.
[[nodiscard]] std::optional<std::chrono::microseconds> duration_from_seconds(std::int64_t seconds);

/// A short text that parse_duration reads as `duration`, which is whole milliseconds.
[[nodiscard]] std::string format_duration(std::chrono::microseconds duration);

}  // namespace tidegate::config
