// Log lines: one JSON object each. Pure; what a request holds is escaped, whatever bytes it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// "debug", "info", "warning" or "error".
[[nodiscard]] std::string_view to_string(LogLevel level);

/// Appends the line of a decision that has a window, newline included. `wall_us` is the wall
/// clock. `suppressed` says how many lines like it were held back since the last one.
///
///   {"timestamp":"2026-11-24T10:00:00.123Z","level":"info","event":"rate_limit_exceeded",
///    "client_id":"ip:203.0.113.7","client_type":"ip","endpoint":"search","tier":"anonymous",
///    "limit_config":{"limit":20,"window_seconds":60,"algorithm":"sliding_window_counter"},
///    "current_count":20,"status":"denied","retry_after":57,"request_id":"...","suppressed":0}
///
/// `event` is the reason of a denial (rate_limit_exceeded where a shadow rule would have denied),
/// else "rate_limit_checked". `retry_after` is in seconds as the
/// client was told, null where it was told none. Values from the request are cut at 256 bytes.
void append_log_line(const Decision& decision, LogLevel level, Micros wall_us,
                     std::string_view request_id, std::uint64_t suppressed, std::string& out);

/// Appends a line that is not about a request: timestamp, level, event, message.
void append_log_line(LogLevel level, Micros wall_us, std::string_view event,
                     std::string_view message, std::string& out);

/// Whether a client's X-Request-ID may be repeated: 1 to 128 of [A-Za-z0-9._-].
[[nodiscard]] bool is_request_id(std::string_view text);
/// 16 hex digits of a random number.
[[nodiscard]] std::string make_request_id(std::uint64_t random);

}  // namespace tidegate
