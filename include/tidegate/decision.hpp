// What goes into a decision, and what comes out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/function_ref.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

/// Gives the engine the lines of one request header, so that no server has to copy its headers.
class HeaderLines {
 public:
  virtual ~HeaderLines() = default;
  /// Calls `use` with the value of each line named `name` (without regard to case), in the order
  /// received, until it returns false. The values live as long as the request they belong to.
  virtual void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const = 0;
};

/// A request as the engine sees it. Views must live as long as the call that takes it.
struct Request {
  std::optional<IpAddress> peer =
      {};  ///< the socket's other end; nothing: no address (a unix socket)
  std::string_view method = {};
  std::string_view target = {};  ///< raw, as received: not decoded, not normalised
  /// A second spelling of the target that the application may route on (two different headers of a
  /// proxy that asks). Charged too, if it meets other rules.
  std::optional<std::string_view> other_target = {};
  const HeaderLines* headers = nullptr;  ///< null: no headers

  // What a caller knows better than the engine (a geographic tier, an API plan of one's own).
  std::optional<std::string_view> client =
      {};  ///< used as the client's text instead of identification
  std::optional<std::string_view> tier = {};
  std::optional<std::uint64_t> cost =
      {};  ///< instead of the rule's cost; 0 looks and takes nothing
  /// Name of the rule to decide by, instead of the one that the target meets: one that the program
  /// has declared (Limiter::declare) or an endpoint of the configuration. Endpoints that are exempt
  /// are not asked then. A name that nobody has declared is the default rule.
  std::optional<std::string_view> rule = {};
};

enum class Outcome : std::uint8_t {
  allowed,
  denied,         ///< answer 429
  exempt,         ///< not counted, no fields
  failed_open,    ///< the store failed; let through
  failed_closed,  ///< the store failed; answer 503
  shadow          ///< let through, but a shadow rule would have denied it
};
inline constexpr std::size_t kOutcomes = 6;
[[nodiscard]] std::string_view to_string(Outcome outcome);

/// Why a request was denied. In the order of precedence.
enum class Denial : std::uint8_t {
  none,
  penalty_active,
  maintenance,         ///< limit 0
  cost_exceeds_limit,  ///< can never pass: no Retry-After
  rate_limit_exceeded,
  multiple_windows_exceeded,
  rate_limiter_unavailable
};
/// The `error` member of a body: "rate_limit_exceeded" and so on; "" for none.
[[nodiscard]] std::string_view to_string(Denial denial);

/// One window of one rule after the decision. Times in microseconds from the time of the decision,
/// rounded up.
struct WindowState {
  std::string rule;
  Algorithm algorithm = Algorithm::sliding_window_counter;
  std::uint64_t limit = 0;
  std::uint64_t window_us = 0;
  std::uint64_t remaining = 0;  ///< what would still be admitted now
  std::uint64_t reset_us = 0;   ///< until the whole allowance is back
  std::optional<std::uint64_t>
      retry_after_us;  ///< present only where this window said no and waiting helps
  /// How long `remaining` has to last: until one unit more would be admitted to a client who takes
  /// all of it at once.
  std::uint64_t more_after_us = 0;
  bool exceeded = false;
  bool shadow = false;    ///< of a rule that only tells what it would do
  Per per = Per::client;  ///< whose count it is
};

/// What the caller gets back. Reuse one object for many decisions: its strings and vectors keep
/// their memory.
struct Decision {
  Outcome outcome = Outcome::allowed;
  Denial denial = Denial::none;
  std::uint64_t time_us = 0;  ///< the time it was taken at, microseconds since the Unix epoch
  ClientIdentity client;
  std::string address;  ///< as a client's text; only where a rule counts addresses
  TokenVerdict token = TokenVerdict::none;  ///< what became of the request's token
  std::string endpoint = "default";  ///< name of the rule of the tightest window, or "exempt"
  std::string path;                  ///< the canonical path, for messages; not escaped
  std::uint64_t cost = 1;
  std::vector<WindowState> windows;  ///< none: unlimited, exempt or disabled. Shadow rules last
  /// Index into `windows`: least remaining; tie: the later reset. Of a shadow rule only where no
  /// other was asked.
  std::size_t tightest = 0;
  /// Index into `windows` of the one that logs and metrics speak of: the tightest, or of a request
  /// with the outcome `shadow` the tightest of those that would have denied it.
  std::size_t subject = 0;
  /// What Retry-After says (before rounding up to seconds): of the windows exceeded the shortest or
  /// longest, as configured. Nothing where waiting does not help, or nothing was denied.
  std::optional<std::uint64_t> retry_after_us;

  [[nodiscard]] bool admitted() const {
    return outcome != Outcome::denied && outcome != Outcome::failed_closed;
  }
  /// 200, 429 or 503.
  [[nodiscard]] unsigned status() const {
    return outcome == Outcome::denied ? 429 : outcome == Outcome::failed_closed ? 503 : 200;
  }
  /// The window that the response's fields describe; null where there are no fields.
  [[nodiscard]] const WindowState* fields() const {
    return windows.empty() || windows[tightest].shadow ? nullptr : &windows[tightest];
  }
  /// Whose count the tightest window is, as a client's text; under a rule with one count for
  /// everybody, the client's.
  [[nodiscard]] std::string_view counted_for() const {
    const bool by_address = !windows.empty() && windows[tightest].per == Per::address;
    return by_address ? address : client.client_id;
  }
  /// The window that logs and metrics speak of; null where none was asked.
  [[nodiscard]] const WindowState* spoken_of() const {
    return windows.empty() ? nullptr : &windows[subject];
  }
};

}  // namespace tidegate
