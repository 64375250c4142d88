// Response fields. They go on every response, so nothing here allocates: text is written into
// buffers on the stack, which move to the heap only for lists far longer than a usual rule's.
#include <array>
#include <cstddef>
#include <memory_resource>
#include <string>

#include "core/time.hpp"
#include "render/numbers.hpp"
#include "tidegate/response.hpp"

namespace tidegate {
namespace {

using FieldText = std::pmr::string;

/// What the fields say about one window.
struct Shown {
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
  std::uint64_t reset_us = 0;
  std::uint64_t more_after_us = 0;
};

Shown shown(const Decision& decision, const WindowState& window) {
  if (decision.outcome == Outcome::failed_open) {
    return {window.limit, window.limit, 0, window.window_us};
  }
  if (decision.outcome == Outcome::failed_closed) {
    const std::uint64_t wait_us = calculate_retry_after(decision).value_or(0) * kMicrosPerSecond;
    return {window.limit, 0, wait_us, wait_us};
  }
  return {window.limit, window.remaining, window.reset_us, window.more_after_us};
}

void write_x_ratelimit(const Shown& quota, std::uint64_t wall_us, FieldSink sink) {
  sink("X-RateLimit-Limit", Digits(quota.limit).text());
  sink("X-RateLimit-Remaining", Digits(quota.remaining).text());
  const std::uint64_t reset_s = seconds_ceil(saturating_add(wall_us, quota.reset_us));
  sink("X-RateLimit-Reset", Digits(reset_s).text());
}

/// The length of a window where it tells two policies of one rule apart: exact, in the largest unit
/// that is.
void append_length(FieldText& out, std::uint64_t us) {
  if (us % kMicrosPerSecond == 0) {
    append_number(out, us / kMicrosPerSecond);
    append(out, "s");
  } else if (us % 1'000 == 0) {
    append_number(out, us / 1'000);
    append(out, "ms");
  } else {
    append_number(out, us);
    append(out, "us");
  }
}

/// The name of a window's policy as a quoted string of RFC 9651. Rule names are printable ASCII;
/// anything else would make the whole field unreadable.
void append_policy_name(FieldText& out, const WindowState& window, bool first_of_rule) {
  out.push_back('"');
  for (const char c : window.rule) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  if (!first_of_rule) {
    out.push_back('-');
    append_length(out, window.window_us);
  }
  out.push_back('"');
}

/// RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-11: a list each, with a
/// member for each window. w is in whole seconds and never 0; t is the time within which no more
/// than r may be used.
void write_ietf(const Decision& decision, FieldSink sink) {
  std::array<std::byte, 2'048>
      stack;  // NOLINT(*-member-init): clearing it costs as much as the rest
  std::pmr::monotonic_buffer_resource memory(stack.data(), stack.size());
  FieldText name(&memory);
  FieldText policy(&memory);
  FieldText state(&memory);
  for (FieldText* text : {&name, &policy, &state}) text->reserve(240);
  std::string_view rule;
  for (const WindowState& window : decision.windows) {
    const bool first = &window == &decision.windows.front();
    if (!first) {
      append(policy, ", ");
      append(state, ", ");
    }
    name.clear();
    append_policy_name(name, window, first || window.rule != rule);
    rule = window.rule;

    const Shown quota = shown(decision, window);
    append(policy, name);
    append(policy, ";q=");
    append_number(policy, quota.limit);
    append(policy, ";w=");
    append_number(policy, seconds_ceil(window.window_us));
    append(state, name);
    append(state, ";r=");
    append_number(state, quota.remaining);
    append(state, ";t=");
    append_number(state, seconds_ceil(quota.more_after_us));
  }
  sink("RateLimit-Policy", policy);
  sink("RateLimit", state);
}

}  // namespace

std::optional<std::uint64_t> calculate_retry_after(const Decision& decision) {
  if (!decision.retry_after_us) return std::nullopt;
  return retry_seconds(*decision.retry_after_us);
}

void add_rate_limit_headers(const Decision& decision, const RenderOptions& options,
                            std::uint64_t wall_us, FieldSink sink) {
  if (const WindowState* tightest = decision.fields(); tightest != nullptr) {
    if (options.x_ratelimit) write_x_ratelimit(shown(decision, *tightest), wall_us, sink);
    if (options.ietf) write_ietf(decision, sink);
  }
  if (decision.admitted()) return;
  if (const auto seconds = calculate_retry_after(decision)) {
    sink("Retry-After", Digits(*seconds).text());
  }
  sink("Content-Type", "application/json");
  sink("Cache-Control", "no-store");
}

std::string_view exposed_field_names(const RenderOptions& options) {
  if (options.x_ratelimit && options.ietf) {
    return "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit-Policy, "
           "RateLimit, Retry-After";
  }
  if (options.x_ratelimit) {
    return "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After";
  }
  if (options.ietf) return "RateLimit-Policy, RateLimit, Retry-After";
  return "Retry-After";
}

}  // namespace tidegate
