// The body of POST /admin/rate-limit/reset. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::server {

/// Whose counts are to be forgotten.
struct ResetRequest {
  std::string client;  ///< as logs and metrics write it; "": all clients of the rule
  std::string rule;    ///< "": all rules
};

struct BadReset {
  unsigned status;                  ///< 400: no JSON; 422: JSON that says something else
  std::vector<std::string> faults;  ///< all of them, one line each, with what would be right
};

/// Reads {"client":"user:42"}, {"client":"user:42","rule":"search"} or
/// {"rule":"search","all_clients":true}. `rules` are the names there are.
[[nodiscard]] std::expected<ResetRequest, BadReset> read_reset(
    std::string_view body, const std::vector<std::string>& rules);

}  // namespace tidegate::server
