// START HERE. The limiter: opens what the configuration names and decides.
//
// clang-format off
//   auto config = tidegate::load_config("tidegate.toml");
//   if (!config) {
//     for (auto& fault : config.error()) std::cerr << to_string(fault) << '\n';
//     return 1;
//   }
//   auto limiter = tidegate::Limiter::open(*config);
//   if (!limiter) {
//     std::cerr << limiter.error().message << '\n';
//     return 1;
//   }
//
//   tidegate::Decision decision;
//   (*limiter)->decide({.peer = tidegate::IpAddress::parse("203.0.113.7"),
//                       .method = "GET", .target = "/reports"}, decision);
//   if (!decision.admitted()) ...      // response.hpp turns it into fields and a body
// clang-format on
//
// With Boost.Beast, take RateLimitMiddleware of beast.hpp, which does this for each request.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"
#include "tidegate/response.hpp"
#include "tidegate/status.hpp"

namespace tidegate {
namespace posix {
class RedisSession;
class RedisWaiting;
}  // namespace posix

/// What `/health` reports.
struct Health {
  std::string_view status;        ///< "ok", "degraded" or "failing"
  std::string_view backend;       ///< "memory" or "redis"
  double latency_ms = 0;          ///< of one look into the store, measured now
  std::string_view breaker;       ///< "closed", "half-open" or "open"
  std::uint64_t generation = 0;   ///< number of the configuration in force, counted from 1
  std::string reload_error = {};  ///< of the last reload, if it was refused; one fault a line
  std::string keys_error =
      {};  ///< why the keys of tokens are older than their file; "" they are not
};

/// One limiter per process, shared by its threads. Processes whose configurations name the same
/// segment count together, by one configuration: that of the last to start or to reload. Counts
/// outlive the limiter: they live in the segment. A thread of its own runs only while a reload by
/// another process is taken up.
class Limiter {
 public:
  /// Maps the shared segment, creating it if it is not there, and opens the log. An error says what
  /// could not be opened and what would help.
  [[nodiscard]] static std::expected<std::unique_ptr<Limiter>, Error> open(
      const LoadedConfig& config);
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  /// Decides by the segment's clock (tokens by the wall clock), counts the decision in the metrics
  /// and logs it as configured. About once a second it looks whether files with keys have changed;
  /// they are read by a thread of its own.
  /// Never fails, never blocks on another process, never throws. Any thread; one `out` per thread.
  /// With the backend "redis" it waits for the answer, at most `decision_timeout`; a server with an
  /// event loop does not want that (see beast.hpp).
  void decide(const Request& request, Decision& out) noexcept;

  /// Adds rules that the program names itself (Request::rule): `name`, limits, tiers and what else
  /// a rule has, but no pattern. They are this process's own, as its environment is: a reload keeps
  /// them, and they stand in no configuration. An endpoint that the configuration names the same
  /// is what counts instead. One of the same name again replaces the earlier one. Every fault at
  /// once, and then nothing is added. Compiles the rules anew: a few milliseconds for thousands.
  /// Any thread.
  [[nodiscard]] std::expected<void, std::vector<Fault>> declare(std::vector<EndpointConfig> rules);

  /// To be called once in every child that goes on with a limiter opened before fork(), before
  /// anything was decided with it. Takes up the configuration that is in force by now.
  void after_fork();

  /// Reads the configuration again from where it was loaded (load_config) and puts it in force for
  /// all processes that share the segment, while traffic flows; or changes nothing and says every
  /// fault. Returns its generation. This process has it on return, others at their next decision
  /// but a few milliseconds, in which they compile it on a thread of its own. Counts survive by the
  /// names of rules. Not [memory], `namespace` and `backend`: changing them is a fault. May take
  /// tens of milliseconds for thousands of rules: not on a thread that must not stand still. Any
  /// thread.
  [[nodiscard]] std::expected<std::uint64_t, std::vector<Fault>> reload();
  /// The same with a configuration of the caller's.
  [[nodiscard]] std::expected<std::uint64_t, std::vector<Fault>> reload(const LoadedConfig& config);
  /// Counts a request for a reload from outside against five a minute, over all processes. 0: go
  /// ahead; else the seconds to wait.
  [[nodiscard]] std::uint64_t count_reload_request();

  /// What a client has left, one entry for each window that could be charged for `tier` under the
  /// rules named `rule` (all where empty). Takes nothing and writes nothing. Any thread.
  /// An error only with the backend "redis", where it waits for up to `socket_timeout`: why Redis
  /// did not answer.
  [[nodiscard]] std::expected<std::vector<WindowState>, Error> peek(
      std::string_view client, std::string_view rule = "",
      std::string_view tier = "anonymous") const;
  /// Forgets a client under the rules named `rule`, for all processes that share the segment, while
  /// traffic flows; where empty, under all of them and his violations too. Returns how many counts
  /// there were to forget. Any thread.
  /// Errors as those of peek; other hosts may deny him from memory for up to five seconds more.
  std::expected<std::size_t, Error> reset(std::string_view client, std::string_view rule = "");
  /// Forgets all clients of a rule, for all processes that share the segment, while traffic flows.
  /// What they had counted keeps its room in the segment until it expires. False: there is no rule
  /// of this name. Any thread.
  std::expected<bool, Error> reset_rule(std::string_view rule);

  /// What is in force here. It stays as it is where a reload replaces it.
  [[nodiscard]] std::shared_ptr<const RateLimitConfig> config() const;
  /// The bearer token of the admin endpoints; "" where there are none.
  [[nodiscard]] std::string admin_token() const;
  [[nodiscard]] RenderOptions render_options() const;
  /// The wall clock, microseconds since the Unix epoch: what X-RateLimit-Reset is counted from.
  [[nodiscard]] std::uint64_t wall_us() const;

  /// How things stand, over all processes that share the segment. Any thread.
  [[nodiscard]] Status status() const;
  /// The status as Prometheus text, and as JSON (observe/status_json.hpp has the form). Any thread.
  [[nodiscard]] std::string metrics() const;
  [[nodiscard]] std::string status_json() const;
  /// Keeps up figures that take time, and sees whether others have reloaded. To be called about
  /// once a second by whoever may not stand still for long when somebody asks for the status, or
  /// may have nothing to decide for a while, as a server; takes well under a millisecond, the first
  /// time a few. Nobody has to. Any thread.
  void refresh();
  [[nodiscard]] Health health() const;

  /// Opens the log file again under its name (after rotation). Not from a signal handler.
  void reopen_log();
  /// Takes lines of the log, each without its end, one at a time, on whichever thread has something
  /// to say. Does not throw, and does not call the limiter.
  using LogSink = std::function<void(LogLevel level, std::string_view line)>;
  /// Lines that would go to standard error go to `sink` from now on; a file that the configuration
  /// names takes them still. Before the limiter is shared.
  void log_to(LogSink sink);
  /// Writes one line to the log that is not about a request. `event` is a short name.
  void log_event(std::string_view event, std::string_view message);
  /// Counts a request of an operator without the right token (rate_limit_admin_denied_total).
  void count_admin_denied();
  /// Counts a doubt about client addresses (rate_limit_identity_warnings_total{reason}); the first
  /// of each reason is logged too. `reason` is one of a few fixed words.
  void warn_identity(std::string_view reason, std::string_view message);

  // For tests of programs: time that passes when they say so.

  /// The limiter's clocks, that of the counts and the wall clock, stand still from now on. Only
  /// with a segment of its own (`memory.segment` ""): others would go on. False: it is shared.
  bool stop_clock();
  /// Moves clocks that stand still. Any thread.
  void advance(std::chrono::microseconds by);

 private:
  friend class posix::RedisSession;
  friend class posix::RedisWaiting;
  Limiter();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate
