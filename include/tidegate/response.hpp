// A decision as HTTP: fields, status and body. Pure; writes into what it is handed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/function_ref.hpp"

namespace tidegate {

struct RenderOptions {
  bool x_ratelimit = true;
  bool ietf = false;
  [[nodiscard]] static RenderOptions from(const RateLimitConfig& config) {
    return {config.x_ratelimit_headers, config.ietf_headers};
  }
};

/// Receives one response field. It replaces a field of that name. Views live during the call only.
using FieldSink = FunctionRef<void(std::string_view name, std::string_view value)>;

/// Writes X-RateLimit-* of the tightest window and/or RateLimit-Policy and RateLimit
/// (draft-ietf-httpapi-ratelimit-headers-11) with a member for each window, for a decision that has
/// fields; and on a rejection Retry-After (whole seconds, at least 1), Content-Type and
/// Cache-Control: no-store. Writes nothing for exempt, unlimited and disabled. `wall_us` is the
/// wall clock (Unix, microseconds), from which X-RateLimit-Reset is counted, rounded up. Does not
/// allocate, unless there are far more windows than usual.
void add_rate_limit_headers(const Decision& decision, const RenderOptions& options,
                            std::uint64_t wall_us, FieldSink sink);

/// The names add_rate_limit_headers may write, joined by ", ": for Access-Control-Expose-Headers.
/// Content-Type and Cache-Control are left out: scripts may read those anyway.
[[nodiscard]] std::string_view exposed_field_names(const RenderOptions& options);

/// Seconds for Retry-After: rounded up, at least 1. Nothing where waiting does not help.
[[nodiscard]] std::optional<std::uint64_t> calculate_retry_after(const Decision& decision);

/// The JSON body of a rejection, appended to `out`:
///
///   {"error":"rate_limit_exceeded","message":"Rate limit of 100 requests per 60 seconds exceeded
///    for endpoint /hello","retry_after_seconds":30,"limit":100,"window_seconds":60}
///
/// and "windows", an array of limit, window_seconds and retry_after_seconds, where several were
/// exceeded. A member without a value is null. Always valid JSON, whatever bytes the path holds;
/// the message repeats at most 256 bytes of it, escapes included, cut between characters.
/// Precondition: !decision.admitted().
void append_rejection_body(const Decision& decision, std::string& out);

}  // namespace tidegate
