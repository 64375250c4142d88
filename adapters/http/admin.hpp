// What operators may do over HTTP with the bearer token: see how things stand, forget counts; and
// the page that shows it. Without a configured token nothing of it exists.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http/admin_reset.hpp"
#include "adapters/http/response_text.hpp"
#include "adapters/http/service.hpp"
#include "core/hash.hpp"
#include "tidegate/client.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::server {

/// Whether a route is one of the operators', and whether it needs the token: the page holds no data
/// and asks for it.
[[nodiscard]] bool is_admin(Route route);
[[nodiscard]] bool needs_token(Route route);

/// One for each worker; one thread.
class Admin {
 public:
  using Clock = std::chrono::steady_clock;

  /// A longer body of an operator is refused with 413.
  static constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{64} << 10;

  /// `limiter` null: nobody is authorised.
  explicit Admin(Limiter* limiter);

  /// Whether a request carries the token: one Authorization line, "Bearer" and the token. The time
  /// it takes says nothing about the token. A request that does not is counted, and logged at most
  /// once a minute.
  [[nodiscard]] bool authorise(const HeaderLines& headers, IpAddress peer, Clock::time_point now);

  /// The answer to a request for a route of operators. `scratch` keeps what is no constant.
  [[nodiscard]] Answer answer(Route route, std::string_view method, bool authorised,
                              std::string_view body, std::string& scratch);

  using Reloaded = std::expected<std::uint64_t, std::vector<Fault>>;
  /// Whether a request of an operator is one for a reload that may go ahead; else answer() refuses
  /// it. A reload takes long, so it is not done here.
  [[nodiscard]] bool may_reload(Route route, std::string_view method);
  [[nodiscard]] static Answer answer_reload(const Reloaded& reloaded, std::string& scratch);

  /// How many counts were forgotten; nothing: all clients of a rule, of whom nobody knows how many.
  using Forgotten = std::expected<std::optional<std::size_t>, Error>;
  /// What a request of an operator wants to be forgotten; nothing if it wants nothing or something
  /// that answer() refuses. Forgetting may take long, so it is not done here.
  [[nodiscard]] std::optional<ResetRequest> wanted_reset(Route route, std::string_view method,
                                                         std::string_view body) const;
  [[nodiscard]] static Forgotten forget(Limiter& limiter, const ResetRequest& wanted);
  [[nodiscard]] Answer answer_reset(const ResetRequest& wanted, const Forgotten& forgotten,
                                    std::string& scratch);

 private:
  [[nodiscard]] Hash128 digest_of(std::string_view token) const;
  [[nodiscard]] bool is_token(const HeaderLines& headers, std::string_view wanted) const;
  [[nodiscard]] Answer reload_too_soon(std::string& scratch);

  Limiter* limiter_;
  std::string fields_;               ///< of an answer that needs its own
  std::uint64_t reload_wait_s_ = 0;  ///< of the last one that may not go ahead
  HashKey key_;                      ///< random: nobody outside knows what the digests are
  std::uint64_t denied_since_logged_ = 0;
  std::optional<Clock::time_point> logged_;
};

}  // namespace tidegate::server
