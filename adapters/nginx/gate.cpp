#include "adapters/nginx/gate.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <new>
#include <string>

#include "adapters/nginx/response.hpp"
#include "adapters/nginx/worker.hpp"
#include "core/ascii.hpp"
#include "render/grpc.hpp"
#include "tidegate/response.hpp"

namespace tidegate::nginx {
namespace {

void release(void* gate) { Worker::take_back(static_cast<Gate*>(gate)); }

/// Whether nginx is told to answer this status itself (error_page), and would now.
bool has_page(const ngx_http_request_t& request, unsigned status) {
  const auto& core = *static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf((&request), ngx_http_core_module));
  if (core.error_pages == nullptr || request.error_page != 0 || request.uri_changes == 0) {
    return false;
  }
  const auto* const pages = static_cast<ngx_http_err_page_t*>(core.error_pages->elts);
  for (ngx_uint_t i = 0; i < core.error_pages->nelts; ++i) {
    if (pages[i].status == static_cast<ngx_int_t>(status)) return true;
  }
  return false;
}

void wait_on(ngx_http_request_t* /*request*/) {}

}  // namespace

void Lines::each(std::string_view name, FunctionRef<bool(std::string_view)> use) const {
  for (const ngx_list_part_t* part = &request_->headers_in.headers.part; part != nullptr;
       part = part->next) {
    const auto* const lines = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (equal_ignoring_case(view(lines[i].key), name) && !use(view(lines[i].value))) return;
    }
  }
}

std::optional<IpAddress> peer_of(const ngx_http_request_t& request) {
  const sockaddr* const address = request.connection->sockaddr;
  if (address->sa_family == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (address->sa_family == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

Gate* Gate::of(ngx_http_request_t* request) {
  ngx_http_request_t* const main = request->main;
  if (void* const known = ngx_http_get_module_ctx(main, ngx_http_tidegate_module)) {
    return static_cast<Gate*>(known);
  }
  for (const ngx_pool_cleanup_t* at = main->pool->cleanup; at != nullptr; at = at->next) {
    if (at->handler != &release) continue;
    ngx_http_set_ctx(main, at->data, ngx_http_tidegate_module);
    return static_cast<Gate*>(at->data);
  }
  return nullptr;
}

std::string_view Gate::value_of(ngx_http_complex_value_t* value) const {
  ngx_str_t text = ngx_null_string;
  if (value == nullptr || ngx_http_complex_value(http_, value, &text) != NGX_OK) return {};
  return view(text);
}

void Gate::begin(ngx_http_request_t* request, const LocationSettings& settings, Limiter& limiter,
                 posix::RedisSession* session) {
  http_ = request;
  limiter_ = &limiter;
  ngx_pool_cleanup_t* const cleanup = ngx_pool_cleanup_add(request->pool, 0);
  if (cleanup == nullptr) {
    release(this);
    throw std::bad_alloc();
  }
  cleanup->handler = &release;
  cleanup->data = this;
  ngx_http_set_ctx(request, this, ngx_http_tidegate_module);

  lines_.read_from(*request);
  request_ = {.peer = peer_of(*request),
              .method = view(request->method_name),
              .target = view(request->unparsed_uri),
              .headers = &lines_};
  if (const auto client = value_of(settings.client); !client.empty()) request_.client = client;
  if (const auto tier = value_of(settings.tier); !tier.empty()) request_.tier = tier;
  if (const auto text = value_of(settings.cost); !text.empty()) {
    std::uint64_t cost = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cost);
    if (error == std::errc() && end == text.data() + text.size()) {
      request_.cost = cost;
    } else {
      const ngx_str_t shown = borrowed(text);
      ngx_log_error(NGX_LOG_ERR, request->connection->log, 0,
                    "tidegate_cost: found \"%V\", allowed: a whole number", &shown);
    }
  }

  if (session == nullptr) {
    limiter.decide(request_, decision_);
  } else if (!session->decide(request_, decision_, *this)) {
    state_ = State::waiting;
    Worker::hold();
    return;
  }
  state_ = State::decided;
}

void Gate::end() {
  if (state_ == State::waiting) {
    posix::RedisSession::cancel(*this);
    Worker::let_go();
  }
  state_ = State::undecided;
  http_ = nullptr;
}

/// From within the Redis client, which is not done yet: the request goes on with the events that
/// are posted.
void Gate::decided() {
  state_ = State::decided;
  Worker::let_go();
  http_->read_event_handler = &ngx_http_block_reading;
  http_->write_event_handler = &ngx_http_core_run_phases;
  ngx_post_event(http_->connection->write, &ngx_posted_events);
}

ngx_int_t Gate::go_on() {
  if (state_ == State::waiting) return wait();
  // What answers a rejection in our place goes through the phases too.
  if (state_ == State::decided && !decision_.admitted()) return reject();
  return NGX_DECLINED;
}

ngx_int_t Gate::wait() {
  // A client that leaves meanwhile is noticed, and ends the request.
  http_->read_event_handler = &ngx_http_test_reading;
  http_->write_event_handler = &wait_on;
  if (ngx_handle_read_event(http_->connection->read, 0) != NGX_OK) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return NGX_AGAIN;
}

ngx_int_t Gate::reject() {
  state_ = State::answered;
  const unsigned status = decision_.status();
  if (has_page(*http_, status)) return static_cast<ngx_int_t>(status);
  if (reject_grpc()) return NGX_DONE;
  std::string text;
  append_rejection_body(decision_, text);
  ngx_http_complex_value_t body{};
  body.value = copied(text, http_->pool);
  if (body.value.data == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_str_t type = ngx_string("application/json");
  // It ends the request, and this with it.
  ngx_http_request_t* const request = http_;
  ngx_http_finalize_request(request, ngx_http_send_response(request, status, &type, &body));
  return NGX_DONE;
}

bool Gate::reject_grpc() {
  ngx_http_request_t* const request = http_;
  const ngx_table_elt_t* const type = request->headers_in.content_type;
  if (type == nullptr || !is_grpc(view(type->value))) return false;
  std::string message;
  append_grpc_message(decision_, message);
  const bool written = add_line(request, "grpc-status", std::to_string(grpc_status(decision_))) &&
                       add_line(request, "grpc-message", message) &&
                       ngx_http_discard_request_body(request) == NGX_OK;
  request->headers_out.status = NGX_HTTP_OK;
  request->headers_out.content_type = type->value;
  request->headers_out.content_type_len = type->value.len;
  request->headers_out.content_length_n = 0;
  request->header_only = 1;
  // It ends the request, and this with it.
  ngx_http_finalize_request(request, written ? ngx_http_send_header(request) : NGX_ERROR);
  return true;
}

}  // namespace tidegate::nginx
