// Health, metrics and what operators may do, as the content of a location.
#pragma once

#include "adapters/nginx/nginx.hpp"

namespace tidegate::nginx {

/// The content handler of `tidegate_operations`. Below a location "/ops/" it answers /ops/health
/// and so on; in "/" or a location of one path, /health.
ngx_int_t answer_operations(ngx_http_request_t* request);

}  // namespace tidegate::nginx
