#include "adapters/nginx/response.hpp"

#include <string>

#include "core/ascii.hpp"
#include "tidegate/response.hpp"

namespace tidegate::nginx {
namespace {

constexpr std::string_view kAllowOrigin = "Access-Control-Allow-Origin";
constexpr std::string_view kExposeHeaders = "Access-Control-Expose-Headers";

/// Calls `use` with each line of a response that is to be sent.
template <class Use>
void each_line(ngx_http_request_t* request, Use use) {
  for (ngx_list_part_t* part = &request->headers_out.headers.part; part != nullptr;
       part = part->next) {
    auto* const lines = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (lines[i].hash != 0) use(lines[i]);
    }
  }
}

/// A line without a hash is not sent.
void remove_lines(ngx_http_request_t* request, std::string_view name) {
  each_line(request, [name](ngx_table_elt_t& line) {
    if (equal_ignoring_case(view(line.key), name)) line.hash = 0;
  });
}

/// Names the fields in Access-Control-Expose-Headers, behind those that are named there already.
bool expose(ngx_http_request_t* request, std::string_view fields) {
  bool readable = false;
  std::string names;
  each_line(request, [&](ngx_table_elt_t& line) {
    if (equal_ignoring_case(view(line.key), kAllowOrigin)) readable = true;
    if (equal_ignoring_case(view(line.key), kExposeHeaders)) {
      names.append(names.empty() ? "" : ", ").append(view(line.value));
    }
  });
  if (!readable) return true;
  remove_lines(request, kExposeHeaders);
  names.append(names.empty() ? "" : ", ").append(fields);
  return add_line(request, kExposeHeaders, names);
}

}  // namespace

bool add_line(ngx_http_request_t* request, std::string_view name, std::string_view value) {
  auto* const line = static_cast<ngx_table_elt_t*>(ngx_list_push(&request->headers_out.headers));
  if (line == nullptr) return false;
  *line = {};
  line->key = copied(name, request->pool);
  line->value = copied(value, request->pool);
  line->lowcase_key = line->key.data;
  if (line->key.data == nullptr || line->value.data == nullptr) return false;
  line->hash = 1;
  return true;
}

ngx_int_t mark(ngx_http_request_t* request, const Decision& decision, const Limiter& limiter) {
  const RenderOptions options = limiter.render_options();
  bool any = false;
  bool failed = false;
  add_rate_limit_headers(decision, options, limiter.wall_us(),
                         [&](std::string_view name, std::string_view value) {
                           // The type is that of whatever body is sent.
                           if (equal_ignoring_case(name, "Content-Type")) return;
                           remove_lines(request, name);
                           failed = failed || !add_line(request, name, value);
                           any = true;
                         });
  if (any && !failed) failed = !expose(request, exposed_field_names(options));
  return failed ? NGX_ERROR : NGX_OK;
}

}  // namespace tidegate::nginx
