// The fields of a decision on nginx's responses.
#pragma once

#include "adapters/nginx/nginx.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::nginx {

/// Writes the fields, which replace others of the same names, and lets scripts read them where the
/// response says that scripts may read it. NGX_ERROR: there is no memory.
[[nodiscard]] ngx_int_t mark(ngx_http_request_t* request, const Decision& decision,
                             const Limiter& limiter);

/// Adds a line; both texts are copied.
[[nodiscard]] bool add_line(ngx_http_request_t* request, std::string_view name,
                            std::string_view value);

}  // namespace tidegate::nginx
