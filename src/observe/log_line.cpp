#include "observe/log_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "core/json_text.hpp"
#include "tidegate/response.hpp"

namespace tidegate {
namespace {

constexpr std::size_t kMaxTextBytes = 256;
/// A message is ours, and may quote what was found.
constexpr std::size_t kMaxMessageBytes = 2048;

/// RFC 3339 in UTC, with milliseconds.
void append_timestamp(Micros wall_us, std::string& out) {
  using std::chrono::days, std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> time{
      std::chrono::duration_cast<milliseconds>(std::chrono::microseconds(wall_us))};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                 static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(),
                 clock.seconds().count(), clock.subseconds().count());
}

void append_member(std::string_view name, std::string_view text, std::size_t max_bytes,
                   std::string& out) {
  out += ",\"";
  out += name;
  out += "\":\"";
  append_json_text(text, max_bytes, out);
  out += '"';
}

void begin_line(Micros wall_us, LogLevel level, std::string_view event, std::string& out) {
  out += "{\"timestamp\":\"";
  append_timestamp(wall_us, out);
  out += '"';
  append_member("level", to_string(level), kMaxTextBytes, out);
  append_member("event", event, kMaxTextBytes, out);
}

/// What the window has counted: of a bucket what has not flowed back yet.
std::uint64_t count_of(const WindowState& window) {
  return window.limit - std::min(window.limit, window.remaining);
}

/// What a shadow rule would have said counts as said.
std::string_view event_of(const Decision& decision) {
  if (decision.outcome == Outcome::shadow) return to_string(Denial::rate_limit_exceeded);
  return decision.denial == Denial::none ? "rate_limit_checked" : to_string(decision.denial);
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "";
}

void append_log_line(const Decision& decision, LogLevel level, Micros wall_us,
                     std::string_view request_id, std::uint64_t suppressed, std::string& out) {
  const WindowState& window = *decision.spoken_of();
  begin_line(wall_us, level, event_of(decision), out);
  append_member("client_id", decision.client.client_id, kMaxTextBytes, out);
  append_member("client_type", to_string(decision.client.client_type), kMaxTextBytes, out);
  append_member("endpoint", window.rule, kMaxTextBytes, out);
  append_member("tier", decision.client.tier, kMaxTextBytes, out);
  fmt::format_to(std::back_inserter(out),
                 R"(,"limit_config":{{"limit":{},"window_seconds":{},"algorithm":"{}"}})"
                 R"(,"current_count":{})",
                 window.limit, static_cast<double>(window.window_us) / 1e6,
                 to_string(window.algorithm), count_of(window));
  append_member("status", to_string(decision.outcome), kMaxTextBytes, out);
  if (const auto seconds = calculate_retry_after(decision)) {
    fmt::format_to(std::back_inserter(out), R"(,"retry_after":{})", *seconds);
  } else {
    out += R"(,"retry_after":null)";
  }
  append_member("request_id", request_id, kMaxTextBytes, out);
  fmt::format_to(std::back_inserter(out), ",\"suppressed\":{}}}\n", suppressed);
}

void append_log_line(LogLevel level, Micros wall_us, std::string_view event,
                     std::string_view message, std::string& out) {
  begin_line(wall_us, level, event, out);
  append_member("message", message, kMaxMessageBytes, out);
  out += "}\n";
}

bool is_request_id(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, allowed);
}

std::string make_request_id(std::uint64_t random) { return fmt::format("{:016x}", random); }

}  // namespace tidegate
