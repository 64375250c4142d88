#include "adapters/nginx/operations.hpp"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "adapters/http/admin.hpp"
#include "adapters/http/service.hpp"
#include "adapters/nginx/gate.hpp"
#include "adapters/nginx/response.hpp"
#include "adapters/nginx/worker.hpp"
#include "adapters/posix/background.hpp"

namespace tidegate::nginx {
namespace {

using server::Admin;
using server::Answer;
using server::Route;

/// The target below the place of the location.
std::string_view target_of(ngx_http_request_t* request) {
  const auto& core = *static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(request, ngx_http_core_module));
  std::string_view target = view(request->unparsed_uri);
  std::string_view place = view(core.name);
  if (place.ends_with('/')) place.remove_suffix(1);
  const bool below = core.exact_match == 0 && core.regex == nullptr && core.named == 0;
  if (below && target.starts_with(place) && target.substr(place.size()).starts_with('/')) {
    target.remove_prefix(place.size());
  }
  return target;
}

ngx_int_t send(ngx_http_request_t* request, const Answer& answer) {
  bool added = true;
  server::each_field(answer.fields, [&](std::string_view name, std::string_view value) {
    added = added && add_line(request, name, value);
  });
  if (!added) return NGX_ERROR;
  if (!answer.allow.empty() && !add_line(request, "Allow", answer.allow)) return NGX_ERROR;
  ngx_http_complex_value_t body{};
  body.value = copied(answer.body, request->pool);
  ngx_str_t type = copied(answer.content_type, request->pool);
  if (body.value.data == nullptr || type.data == nullptr) return NGX_ERROR;
  return ngx_http_send_response(request, answer.status, &type, &body);
}

/// What is read of the body; nothing: it is longer than anything an operator has to say.
std::optional<std::string> body_of(const ngx_http_request_t& request) {
  std::string body;
  if (request.request_body == nullptr) return body;
  for (const ngx_chain_t* at = request.request_body->bufs; at != nullptr; at = at->next) {
    const ngx_buf_t& piece = *at->buf;
    if (ngx_buf_special((&piece))) continue;  // it only says where a body ends
    const bool in_memory = ngx_buf_in_memory((&piece)) != 0;
    const auto size = static_cast<std::size_t>(in_memory ? piece.last - piece.pos
                                                         : piece.file_last - piece.file_pos);
    if (body.size() + size > Admin::kMaxBodyBytes) return std::nullopt;
    if (in_memory) {
      body.append(reinterpret_cast<const char*>(piece.pos), size);
    } else {  // nginx puts what is above client_body_buffer_size into a file
      const std::size_t before = body.size();
      body.resize(before + size);
      const ssize_t read = ::pread(piece.file->fd, body.data() + before, size, piece.file_pos);
      if (std::cmp_not_equal(read, size)) throw std::system_error(errno, std::system_category());
    }
  }
  return body;
}

/// A request whose answer takes long, so that a thread finds it out.
struct Waiting {
  ngx_http_request_t* request;  ///< null: it is gone
};

/// Holds the request while `find_out` runs on a thread, and answers with what `answer` makes of it.
template <class FindOut, class AnswerIt>
ngx_int_t answer_later(ngx_http_request_t* request, Worker& worker, FindOut find_out,
                       AnswerIt answer_it) {
  ngx_pool_cleanup_t* const cleanup = ngx_pool_cleanup_add(request->pool, 0);
  if (cleanup == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  auto waiting = std::make_shared<Waiting>(Waiting{request});
  cleanup->data = new std::shared_ptr<Waiting>(waiting);
  cleanup->handler = [](void* data) {
    const std::unique_ptr<std::shared_ptr<Waiting>> held(
        static_cast<std::shared_ptr<Waiting>*>(data));
    (*held)->request = nullptr;
    Worker::let_go();
  };
  Worker::hold();
  posix::run_behind([waiting = std::move(waiting), box = worker.postbox(),
                     limiter = worker.shared_limiter(), find_out = std::move(find_out),
                     answer_it = std::move(answer_it)]() mutable {
    auto found = std::make_shared<decltype(find_out(*limiter))>(find_out(*limiter));
    box->post(
        [waiting = std::move(waiting), found = std::move(found), answer_it = std::move(answer_it)] {
          Worker* const current = Worker::current();
          if (current == nullptr || waiting->request == nullptr) return;
          std::string scratch;
          const Answer answer = answer_it(*current, *found, scratch);
          ngx_connection_t* const connection = waiting->request->connection;
          ngx_http_finalize_request(waiting->request, send(waiting->request, answer));
          ngx_http_run_posted_requests(connection);
          current->flush_log();
        });
  }).detach();
  request->read_event_handler = &ngx_http_test_reading;
  return NGX_DONE;
}

ngx_int_t answer(ngx_http_request_t* request, Worker& worker) {
  const std::string_view method = view(request->method_name);
  const std::string_view target = target_of(request);
  const Route route = worker.service().route(server::Port::ops, target);
  std::string scratch;
  if (!server::is_admin(route)) {
    return send(request, worker.service().answer(route, method, target, scratch));
  }
  const auto body = body_of(*request);
  if (!body) return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
  Admin& admin = worker.admin();
  Lines lines;
  lines.read_from(*request);
  const bool authorised =
      server::needs_token(route) &&
      admin.authorise(lines, peer_of(*request).value_or(IpAddress()), Admin::Clock::now());
  if (authorised && admin.may_reload(route, method)) {
    return answer_later(
        request, worker, [](Limiter& limiter) -> Admin::Reloaded { return limiter.reload(); },
        [](Worker&, const Admin::Reloaded& reloaded, std::string& text) {
          return Admin::answer_reload(reloaded, text);
        });
  }
  if (authorised) {
    if (const auto wanted = admin.wanted_reset(route, method, *body)) {
      return answer_later(
          request, worker, [wanted](Limiter& limiter) { return Admin::forget(limiter, *wanted); },
          [wanted](Worker& it, const Admin::Forgotten& forgotten, std::string& text) {
            return it.admin().answer_reset(*wanted, forgotten, text);
          });
    }
  }
  const ngx_int_t sent = send(request, admin.answer(route, method, authorised, *body, scratch));
  worker.flush_log();
  return sent;
}

void answer_with_body(ngx_http_request_t* request) {
  Worker* const worker = Worker::current();
  const auto answered = without_exceptions(ngx_int_t{NGX_HTTP_INTERNAL_SERVER_ERROR}, [&] {
    return worker == nullptr ? ngx_int_t{NGX_HTTP_NOT_FOUND} : answer(request, *worker);
  });
  // A request that is answered later is still counted for that.
  if (answered != NGX_DONE) ngx_http_finalize_request(request, answered);
}

}  // namespace

ngx_int_t answer_operations(ngx_http_request_t* request) {
  const ngx_int_t read = ngx_http_read_client_request_body(request, &answer_with_body);
  return read >= NGX_HTTP_SPECIAL_RESPONSE ? read : NGX_DONE;
}

}  // namespace tidegate::nginx
