#include "adapters/http/admin.hpp"

#include <fmt/format.h>

#include <iterator>
#include <random>
#include <vector>

#include "adapters/http/admin_reset.hpp"
#include "adapters/http/page.hpp"
#include "core/ascii.hpp"
#include "core/json_text.hpp"

namespace tidegate::server {
namespace {

constexpr auto kLogAgain = std::chrono::minutes(1);
/// Of one fault in an answer, and of a client in the log.
constexpr std::size_t kMaxFaultBytes = 2048;

constexpr std::string_view kNoStore = "Cache-Control: no-store\r\n";
constexpr std::string_view kAskForToken =
    "Cache-Control: no-store\r\nWWW-Authenticate: Bearer realm=\"tidegate admin\"\r\n";
/// The page takes its two files and the status from where it came from, and nothing else from
/// anywhere; nobody may frame it.
constexpr std::string_view kPageFields =
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";
constexpr std::string_view kToPage = "Cache-Control: no-store\r\nLocation: /admin/rate-limit/\r\n";

/// The token of "Bearer TOKEN"; nothing for another scheme.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer";
  const std::size_t space = authorization.find(' ');
  if (space == std::string_view::npos ||
      !equal_ignoring_case(authorization.substr(0, space), kScheme)) {
    return std::nullopt;
  }
  authorization.remove_prefix(authorization.find_first_not_of(' ', space) == std::string_view::npos
                                  ? authorization.size()
                                  : authorization.find_first_not_of(' ', space));
  return authorization;
}

std::vector<std::string> rule_names(const RateLimitConfig& config) {
  std::vector<std::string> names{"default", "preflight"};
  for (const EndpointConfig& endpoint : config.endpoints) names.push_back(endpoint.name);
  return names;
}

/// {"error":...,"faults":[...]}.
Answer faulty(unsigned status, const std::vector<std::string>& faults, std::string& scratch) {
  scratch = status == 400   ? R"({"error":"bad_request","faults":[)"
            : status == 503 ? R"({"error":"redis_unavailable","faults":[)"
                            : R"({"error":"unprocessable_content","faults":[)";
  for (const std::string& fault : faults) {
    scratch += &fault == &faults.front() ? "\"" : ",\"";
    append_json_text(fault, kMaxFaultBytes, scratch);
    scratch += '"';
  }
  scratch += "]}";
  return {.status = status, .body = scratch, .fields = kNoStore};
}

}  // namespace

bool is_admin(Route route) {
  switch (route) {
    case Route::admin:
    case Route::admin_page:
    case Route::admin_style:
    case Route::admin_script:
      return true;
    default:
      return needs_token(route);
  }
}

bool needs_token(Route route) {
  return route == Route::admin_status || route == Route::admin_reset ||
         route == Route::admin_reload;
}

Admin::Admin(Limiter* limiter) : limiter_(limiter) {
  std::random_device random;
  const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
  key_ = {word(), word()};
}

/// Of equal length whatever the token's: comparing two takes always as long, and how many of their
/// bytes agree says nothing about the tokens.
Hash128 Admin::digest_of(std::string_view token) const { return siphash128(key_, token); }

bool Admin::is_token(const HeaderLines& headers, std::string_view wanted) const {
  const Hash128 own = digest_of(wanted);
  std::size_t lines = 0;
  bool right = false;
  headers.each("Authorization", [&](std::string_view value) {
    ++lines;
    const auto token = bearer_token(value);
    if (!token) return true;
    const Hash128 digest = digest_of(*token);
    right = ((digest.low ^ own.low) | (digest.high ^ own.high)) == 0;
    return true;
  });
  return lines == 1 && right;
}

bool Admin::authorise(const HeaderLines& headers, IpAddress peer, Clock::time_point now) {
  if (limiter_ == nullptr) return false;
  const std::string token = limiter_->admin_token();
  if (token.empty()) return false;
  if (is_token(headers, token)) return true;
  limiter_->count_admin_denied();
  ++denied_since_logged_;
  if (logged_ && now - *logged_ < kLogAgain) return false;
  std::string address;
  peer.append_to(address);
  limiter_->log_event("admin_denied",
                      fmt::format("admin requests without the right token: {} since the last such "
                                  "line, the last one from {}",
                                  denied_since_logged_, address));
  denied_since_logged_ = 0;
  logged_ = now;
  return false;
}

Answer Admin::answer(Route route, std::string_view method, bool authorised, std::string_view body,
                     std::string& scratch) {
  if (needs_token(route) && !authorised) {
    return {.status = 401,
            .body = R"({"error":"unauthorized","message":"The bearer token is missing or wrong"})",
            .fields = kAskForToken};
  }
  const bool post = route == Route::admin_reset || route == Route::admin_reload;
  if (!method_allowed(method, post)) return method_not_allowed(post, kNoStore);
  switch (route) {
    case Route::admin:
      return {.status = 308, .content_type = "", .fields = kToPage};
    case Route::admin_style:
      return {.content_type = "text/css; charset=utf-8", .body = kPageStyle, .fields = kPageFields};
    case Route::admin_script:
      return {.content_type = "text/javascript; charset=utf-8",
              .body = kPageScript,
              .fields = kPageFields};
    case Route::admin_status:
      scratch = limiter_->status_json();
      return {.body = scratch, .fields = kNoStore};
    case Route::admin_reset: {
      const auto wanted = read_reset(body, rule_names(*limiter_->config()));
      // What could be done has been.
      return wanted ? Answer{.status = 500}
                    : faulty(wanted.error().status, wanted.error().faults, scratch);
    }
    case Route::admin_reload:
      return reload_too_soon(scratch);
    default:
      return {.content_type = "text/html; charset=utf-8", .body = kPageHtml, .fields = kPageFields};
  }
}

bool Admin::may_reload(Route route, std::string_view method) {
  if (route != Route::admin_reload || method != "POST") return false;
  reload_wait_s_ = limiter_->count_reload_request();
  return reload_wait_s_ == 0;
}

Answer Admin::reload_too_soon(std::string& scratch) {
  fields_ = fmt::format("{}Retry-After: {}\r\n", kNoStore, reload_wait_s_);
  scratch = fmt::format(R"({{"error":"too_many_reloads","message":"At most five a minute",)"
                        R"("retry_after_seconds":{}}})",
                        reload_wait_s_);
  return {.status = 429, .body = scratch, .fields = fields_};
}

Answer Admin::answer_reload(const Reloaded& reloaded, std::string& scratch) {
  if (reloaded) {
    scratch = fmt::format(R"({{"status":"reloaded","generation":{}}})", *reloaded);
    return {.body = scratch, .fields = kNoStore};
  }
  std::vector<std::string> faults;
  for (const Fault& fault : reloaded.error()) faults.push_back(to_string(fault));
  return faulty(422, faults, scratch);
}

std::optional<ResetRequest> Admin::wanted_reset(Route route, std::string_view method,
                                                std::string_view body) const {
  if (route != Route::admin_reset || method != "POST") return std::nullopt;
  auto wanted = read_reset(body, rule_names(*limiter_->config()));
  return wanted ? std::optional(std::move(*wanted)) : std::nullopt;
}

Admin::Forgotten Admin::forget(Limiter& limiter, const ResetRequest& wanted) {
  if (wanted.client.empty()) {
    const auto forgotten = limiter.reset_rule(wanted.rule);
    if (!forgotten) return std::unexpected(forgotten.error());
    return std::optional<std::size_t>();
  }
  const auto forgotten = limiter.reset(wanted.client, wanted.rule);
  if (!forgotten) return std::unexpected(forgotten.error());
  return std::optional(*forgotten);
}

Answer Admin::answer_reset(const ResetRequest& wanted, const Forgotten& forgotten,
                           std::string& scratch) {
  if (!forgotten) return faulty(503, {forgotten.error().message}, scratch);
  scratch = R"({"status":"reset","counts":)";
  scratch += *forgotten ? std::to_string(**forgotten) : "null";
  scratch += '}';
  limiter_->log_event(
      "admin_reset",
      fmt::format("{} forgotten under {}", wanted.client.empty() ? "all clients" : wanted.client,
                  wanted.rule.empty() ? "all rules" : wanted.rule));
  return {.body = scratch, .fields = kNoStore};
}

}  // namespace tidegate::server
