// Rate limits for servers built on Boost.Beast.
//
//   tidegate::RateLimitMiddleware guard(*limiter);                         // once
//   if (!guard.admit(request, peer, decision))                             // for each request
//     return http::write(socket, guard.rejection(request, decision));
//   guard.add_fields(response, decision);                                  // on its response
//
// examples/beast is a whole server. This header needs Boost 1.81 or later and nothing compiled of
// it; link tidegate::beast.
#pragma once

#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>

#include "tidegate/limiter.hpp"

namespace tidegate {

/// The lines of a Beast header, for Request::headers. A view: lives no longer than the header.
template <class Fields>
class FieldLines final : public HeaderLines {
 public:
  explicit FieldLines(const Fields& fields) : fields_(&fields) {}

  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    const auto [first, last] = fields_->equal_range(name);
    for (auto line = first; line != last; ++line) {
      if (!use(line->value())) return;
    }
  }

 private:
  const Fields* fields_;
};

/// The address of a socket's other end.
[[nodiscard]] inline IpAddress peer_address(const boost::asio::ip::tcp::endpoint& peer) {
  const auto address = peer.address();
  return address.is_v4() ? IpAddress::v4(address.to_v4().to_bytes())
                         : IpAddress::v6(address.to_v6().to_bytes());
}

/// Decides requests and marks responses. Holds nothing but a reference to the limiter, which must
/// outlive it. Every member may be called from any thread; a Decision belongs to one thread at a
/// time, and is best reused: its memory is kept.
class RateLimitMiddleware {
 public:
  explicit RateLimitMiddleware(Limiter& limiter) : limiter_(&limiter) {}

  /// Takes the decision on a request whose header is complete; its body may still be outstanding.
  /// `peer` is the socket's other end. Of `caller`, client, tier, cost and other_target are used:
  /// what the caller knows better than the header. True: serve it, and call add_fields on the
  /// response. False: answer rejection(). Never fails and never throws.
  template <class Body, class Fields>
  [[nodiscard]] bool admit(const boost::beast::http::request<Body, Fields>& request, IpAddress peer,
                           Decision& decision, Request caller = {}) const {
    const FieldLines<Fields> lines(request);
    caller.peer = peer;
    caller.method = request.method_string();
    caller.target = request.target();
    caller.headers = &lines;
    limiter_->decide(caller, decision);
    return decision.admitted();
  }

  template <class Body, class Fields>
  [[nodiscard]] bool admit(const boost::beast::http::request<Body, Fields>& request,
                           const boost::asio::ip::tcp::endpoint& peer, Decision& decision,
                           const Request& caller = {}) const {
    return admit(request, peer_address(peer), decision, caller);
  }

  /// Sets the rate-limit fields of a response, whatever its status; fields of these names that are
  /// there already are replaced. Where the response has Access-Control-Allow-Origin (set it
  /// before), scripts of other origins are allowed to read them.
  template <class Fields>
  void add_fields(boost::beast::http::header<false, Fields>& response,
                  const Decision& decision) const {
    namespace http = boost::beast::http;
    bool any = false;
    add_fields(decision, [&](std::string_view name, std::string_view value) {
      response.set(name, value);
      any = true;
    });
    if (!any || response.count(http::field::access_control_allow_origin) == 0) return;
    // Beside what the application exposes itself, and once.
    const std::string_view exposed = exposed_field_names(limiter_->render_options());
    const auto lines = response.equal_range(http::field::access_control_expose_headers);
    for (auto line = lines.first; line != lines.second; ++line) {
      if (std::string_view(line->value()) == exposed) return;
    }
    response.insert(http::field::access_control_expose_headers, exposed);
  }

  /// The same for a server that writes its responses itself: each field is handed to `sink`.
  void add_fields(const Decision& decision, FieldSink sink) const {
    add_rate_limit_headers(decision, limiter_->render_options(), limiter_->wall_us(), sink);
  }

  /// The whole answer to a request that was not admitted: status 429 or 503, fields and JSON body,
  /// ready to be written. For pages of other origins set Access-Control-Allow-Origin on it and call
  /// add_fields again. Precondition: !decision.admitted().
  template <class Body, class Fields>
  [[nodiscard]] boost::beast::http::response<boost::beast::http::string_body> rejection(
      const boost::beast::http::request<Body, Fields>& request, const Decision& decision) const {
    namespace http = boost::beast::http;
    http::response<http::string_body> response(static_cast<http::status>(decision.status()),
                                               request.version());
    response.keep_alive(request.keep_alive());
    append_rejection_body(decision, response.body());
    response.prepare_payload();
    if (request.method() == http::verb::head) response.body().clear();  // Content-Length stays
    add_fields(response, decision);
    return response;
  }

 private:
  Limiter* limiter_;
};

}  // namespace tidegate
