#include "adapters/http/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "adapters/http/admin.hpp"
#include "core/json_text.hpp"

namespace tidegate::server {
namespace {

constexpr std::string_view kSearch = "/api/v1/search/";
constexpr std::size_t kMaxEchoBytes = 256;

struct Endpoint {
  std::string_view path;
  Route route;
};
constexpr std::array kService{Endpoint{"/auth", Route::auth}};
constexpr std::array kOps{Endpoint{"/health", Route::health}, Endpoint{"/metrics", Route::metrics}};
constexpr std::array kAdmin{Endpoint{"/admin/rate-limit", Route::admin},
                            Endpoint{"/admin/rate-limit/", Route::admin_page},
                            Endpoint{"/admin/rate-limit/page.css", Route::admin_style},
                            Endpoint{"/admin/rate-limit/page.js", Route::admin_script},
                            Endpoint{"/admin/rate-limit/status", Route::admin_status},
                            Endpoint{"/admin/rate-limit/reset", Route::admin_reset},
                            Endpoint{"/admin/rate-limit/reload", Route::admin_reload}};
constexpr std::array kDemo{Endpoint{"/api/v1/hello", Route::hello},
                           Endpoint{"/api/v1/orders", Route::orders},
                           Endpoint{"/api/v1/stream", Route::stream}};

Route find(const auto& endpoints, std::string_view path) {
  const auto found = std::ranges::find(endpoints, path, &Endpoint::path);
  return found == endpoints.end() ? Route::none : found->route;
}

void append_text_or_null(std::string_view text, std::string& out) {
  if (text.empty()) {
    out += "null";
    return;
  }
  out += '"';
  append_json_text(text, text.size(), out);
  out += '"';
}

}  // namespace

std::string_view raw_path(std::string_view target) {
  if (!target.starts_with('/')) {
    const auto scheme = target.find("://");
    if (scheme == std::string_view::npos) return target;
    const auto slash = target.find('/', scheme + 3);
    if (slash == std::string_view::npos) return "/";
    target.remove_prefix(slash);
  }
  target = target.substr(0, target.find('?'));
  return target.substr(0, target.find('#'));
}

Route Service::route(Port port, std::string_view target) const {
  const std::string_view path = raw_path(target);
  if (demo_ && port != Port::ops) {
    if (const Route demo = find(kDemo, path); demo != Route::none) return demo;
    if (path.starts_with(kSearch) && path.size() > kSearch.size()) return Route::search;
  }
  if (port != Port::ops) {
    if (const Route own = find(kService, path); own != Route::none) return own;
  }
  if (port == Port::service) return Route::none;
  if (const Route ops = find(kOps, path); ops != Route::none) return ops;
  const bool operators =
      path.starts_with("/admin/") && limiter_ != nullptr && !limiter_->admin_token().empty();
  return operators ? find(kAdmin, path) : Route::none;
}

bool Service::guarded(Port port, Route route) const {
  return demo_ && port != Port::ops && route != Route::auth && !is_admin(route);
}

bool method_allowed(std::string_view method, bool post) {
  return post ? method == "POST" : method == "GET" || method == "HEAD";
}

Answer method_not_allowed(bool post, std::string_view fields) {
  return {.status = 405,
          .body = R"({"error":"method_not_allowed","message":"Allow names the methods"})",
          .allow = post ? "POST" : "GET, HEAD",
          .fields = fields};
}

Answer Service::health(std::string& scratch) const {
  const Health health = limiter_ == nullptr ? Health{.status = "ok", .backend = "", .breaker = ""}
                                            : limiter_->health();
  fmt::format_to(
      std::back_inserter(scratch),
      R"({{"status":"{}","backend":"{}","latency_ms":{:.3f},"breaker":"{}","generation":{},)"
      R"("reload_error":)",
      health.status, health.backend, health.latency_ms, health.breaker, health.generation);
  append_text_or_null(health.reload_error, scratch);
  scratch += R"(,"keys_error":)";
  append_text_or_null(health.keys_error, scratch);
  scratch += '}';
  return {.status = health.status == "failing" ? 503U : 200U, .body = scratch};
}

Answer Service::answer(Route route, std::string_view method, std::string_view target,
                       std::string& scratch) const {
  if (route == Route::none) {
    return {.status = 404, .body = R"({"error":"not_found","message":"There is nothing here"})"};
  }
  const bool post = route == Route::orders;
  if (method == "OPTIONS" && open_to_pages(route)) {
    return {
        .status = 204, .content_type = "", .allow = post ? "POST, OPTIONS" : "GET, HEAD, OPTIONS"};
  }
  if (!method_allowed(method, post)) return method_not_allowed(post);
  scratch.clear();
  switch (route) {
    case Route::health:
      return health(scratch);
    case Route::metrics:
      if (limiter_ != nullptr) scratch = limiter_->metrics();
      return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = scratch};
    case Route::search:
      scratch = R"({"query":")";
      append_json_text(raw_path(target).substr(kSearch.size()), kMaxEchoBytes, scratch);
      scratch += R"(","results":[]})";
      return {.body = scratch};
    case Route::orders:
      return {.status = 201, .body = R"({"order":"accepted"})"};
    case Route::stream:
      return {.content_type = "application/x-ndjson", .stream = true};
    case Route::hello:
      return {.body = R"({"message":"Hello, world"})"};
    default:
      break;
  }
  return {.content_type = ""};
}

bool Service::open_to_pages(Route route) {
  return std::ranges::find(kDemo, route, &Endpoint::route) != kDemo.end() || route == Route::search;
}

void Service::append_cors(Route route, bool preflight, std::string_view exposed, std::string& out) {
  append_field("Access-Control-Allow-Origin", "*", out);
  if (preflight) {
    append_field("Access-Control-Allow-Methods", route == Route::orders ? "POST" : "GET, HEAD",
                 out);
    // The star does not stand for Authorization.
    append_field("Access-Control-Allow-Headers", "*, Authorization", out);
    append_field("Access-Control-Max-Age", "600", out);
  } else if (!exposed.empty()) {
    append_field("Access-Control-Expose-Headers", exposed, out);
  }
}

void Service::append_stream_piece(unsigned piece, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{{\"piece\":{},\"of\":{}}}\n", piece, kStreamPieces);
}

}  // namespace tidegate::server
