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

/// Writes X-RateLimit-* and/or RateLimit and RateLimit-Policy for a decision that has fields, and
/// on a rejection Retry-After (whole seconds, at least 1), Content-Type and Cache-Control:
/// no-store. Writes nothing for exempt, unlimited and disabled. `wall_us` is the wall clock (Unix,
/// microseconds), from which X-RateLimit-Reset is counted.
void add_rate_limit_headers(const Decision& decision, const RenderOptions& options,
                            std::uint64_t wall_us, FieldSink sink);

/// The names add_rate_limit_headers may write, joined by ", ": for Access-Control-Expose-Headers.
[[nodiscard]] std::string_view exposed_field_names(const RenderOptions& options);

/// Seconds for Retry-After: rounded up, at least 1. Nothing where waiting does not help.
[[nodiscard]] std::optional<std::uint64_t> calculate_retry_after(const Decision& decision);

/// The JSON body of a rejection (contract 5), appended to `out`. Precondition:
/// !decision.admitted().
void append_rejection_body(const Decision& decision, std::string& out);

}  // namespace tidegate
