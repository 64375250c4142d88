// One request on its way through the limiter.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "adapters/nginx/nginx.hpp"
#include "adapters/nginx/settings.hpp"
#include "adapters/posix/redis_session.hpp"
#include "tidegate/decision.hpp"

namespace tidegate::nginx {

/// The header lines of a request, where nginx keeps them.
class Lines final : public HeaderLines {
 public:
  void read_from(const ngx_http_request_t& request) { request_ = &request; }
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override;

 private:
  const ngx_http_request_t* request_ = nullptr;
};

/// The socket's other end, or whom nginx's realip module takes for it; nothing: a unix socket.
[[nodiscard]] std::optional<IpAddress> peer_of(const ngx_http_request_t& request);

/// Belongs to a main request from its first decision until its pool is gone: nginx forgets what
/// modules keep of a request where it redirects it internally, but not this. Good for another
/// request afterwards.
class Gate final : public posix::Pending {
 public:
  /// Of the main request; null: nobody has decided it yet.
  [[nodiscard]] static Gate* of(ngx_http_request_t* request);

  /// Decides, or begins to. `session` null: in memory. nginx runs the phase again when the decision
  /// is there.
  void begin(ngx_http_request_t* request, const LocationSettings& settings, Limiter& limiter,
             posix::RedisSession* session);
  /// The request is gone, and with it whatever waits.
  void end();

  /// What the phase answers.
  [[nodiscard]] ngx_int_t go_on();

  /// Null until it is there.
  [[nodiscard]] const Decision* decision() const {
    return state_ == State::decided || state_ == State::answered ? &decision_ : nullptr;
  }
  [[nodiscard]] const Limiter& limiter() const { return *limiter_; }

 private:
  enum class State : std::uint8_t { undecided, waiting, decided, answered };

  void decided() override;
  [[nodiscard]] ngx_int_t wait();
  [[nodiscard]] ngx_int_t reject();
  /// True: it is answered as gRPC wants it.
  [[nodiscard]] bool reject_grpc();
  [[nodiscard]] std::string_view value_of(ngx_http_complex_value_t* value) const;

  ngx_http_request_t* http_ = nullptr;
  Limiter* limiter_ = nullptr;
  Lines lines_;
  Request request_;
  Decision decision_;
  State state_ = State::undecided;
};

}  // namespace tidegate::nginx
