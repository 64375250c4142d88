#include "tidegate/limiter.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "adapters/posix/instruments.hpp"
#include "adapters/posix/log_file.hpp"
#include "adapters/posix/open_engine.hpp"
#include "observe/log_gate.hpp"
#include "observe/log_line.hpp"
#include "observe/prometheus.hpp"
#include "observe/status_json.hpp"

namespace tidegate {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::int64_t kDriftWorthAWarning_us = 5'000'000;

/// A wall clock that costs little and lags by a few milliseconds: enough for whole seconds.
Micros coarse_wall_us() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return static_cast<Micros>(time.tv_sec) * 1'000'000 + static_cast<Micros>(time.tv_nsec) / 1'000;
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // Of 8 bytes nothing is ever missing, once the system has started.
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = coarse_wall_us();
  return number;
}

/// The value of a variable that the configuration names; "" if it names none.
std::string secret_of(const LoadedConfig& loaded, const std::string& variable) {
  const auto found = loaded.secrets.find(variable);
  return found == loaded.secrets.end() ? "" : found->second;
}

}  // namespace

struct Limiter::Impl {
  Impl(const LoadedConfig& loaded, posix::OpenEngine opened, posix::LogFile its_log)
      : config(loaded.config),
        admin_token(secret_of(loaded, loaded.config.admin_token_env)),
        warnings(loaded.warnings),
        open(std::move(opened)),
        instruments(open.segment.counters_memory(), open.geometry.capacity),
        log(std::move(its_log)),
        gate(open.segment.hash_key()),
        next_request_id(random_number()) {}

  void observe(const Request& request, const Decision& decision);
  void write_decision(const Request& request, const Decision& decision, LogLevel level);
  void write_event(LogLevel level, std::string_view event, std::string_view message);

  RateLimitConfig config;
  std::string admin_token;
  std::vector<std::string> warnings;  ///< of the configuration
  posix::OpenEngine open;
  posix::Instruments instruments;
  Micros started_us = posix::wall_us();

  std::mutex log_mutex;  ///< guards what follows
  posix::LogFile log;
  LogGate gate;
  std::string line;
  std::uint64_t next_request_id;
  std::set<std::string, std::less<>> warned;  ///< reasons that this process has logged
};

Limiter::Limiter() = default;
Limiter::~Limiter() = default;

std::expected<std::unique_ptr<Limiter>, Error> Limiter::open(const LoadedConfig& config) {
  auto log = posix::LogFile::open(config.config.log);
  if (!log) return std::unexpected(log.error());
  auto opened = posix::open_engine(config.config, posix::OpenMode::create);
  if (!opened) return std::unexpected(opened.error());
  std::unique_ptr<Limiter> limiter(new Limiter);
  limiter->impl_ = std::make_unique<Impl>(config, std::move(*opened), std::move(*log));

  const std::int64_t drift_us = limiter->impl_->open.segment.drift_us();
  if (std::abs(drift_us) > kDriftWorthAWarning_us) {
    limiter->impl_->write_event(
        LogLevel::warning, "clock_drift",
        fmt::format("the segment's clock is {} s {} the wall clock; limits are not affected, times "
                    "in the log of decisions and in fields follow the wall clock",
                    std::abs(drift_us / 1'000'000), drift_us > 0 ? "ahead of" : "behind"));
  }
  return limiter;
}

void Limiter::decide(const Request& request, Decision& out) noexcept {
  try {
    impl_->open.engine->decide(request, impl_->open.segment.now_us(), out);
  } catch (const std::exception&) {
    // No memory for a decision: an outage of the limiter, which the failure mode answers.
    const bool open = impl_->config.failure_mode == FailureMode::fail_open;
    out.outcome = open ? Outcome::failed_open : Outcome::failed_closed;
    out.denial = open ? Denial::none : Denial::rate_limiter_unavailable;
    out.windows.clear();
    out.tightest = 0;
    out.subject = 0;
    out.retry_after_us.reset();
  }
  try {
    impl_->observe(request, out);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // No memory for a log line: the decision stands, the line is lost.
  }
}

void Limiter::Impl::observe(const Request& request, const Decision& decision) {
  if (!config.enabled) return;
  instruments.counters.count(decision);
  if (decision.spoken_of() == nullptr) return;
  if (config.top_clients != 0) instruments.top.note(decision);
  const bool violation = !decision.admitted() || decision.outcome == Outcome::shadow;
  const LogLevel level = violation ? LogLevel::info : LogLevel::debug;
  if (config.log_level <= level) write_decision(request, decision, level);
}

void Limiter::Impl::write_decision(const Request& request, const Decision& decision,
                                   LogLevel level) {
  const std::lock_guard lock(log_mutex);
  std::uint64_t suppressed = 0;
  if (level == LogLevel::info) {
    const auto passed = gate.pass(decision);
    if (!passed) return;
    suppressed = *passed;
  }
  std::string request_id;
  if (request.headers != nullptr) {
    request.headers->each("X-Request-ID", [&](std::string_view value) {
      if (is_request_id(value)) request_id = value;
      return false;
    });
  }
  // An odd step visits every number before the first comes again.
  if (request_id.empty()) {
    request_id = make_request_id(next_request_id += 0x9e37'79b9'7f4a'7c15);
  }
  line.clear();
  append_log_line(decision, level, posix::wall_us(), request_id, suppressed, line);
  log.write(line);
}

void Limiter::Impl::write_event(LogLevel level, std::string_view event, std::string_view message) {
  if (level < config.log_level) return;
  const std::lock_guard lock(log_mutex);
  line.clear();
  append_log_line(level, posix::wall_us(), event, message, line);
  log.write(line);
}

void Limiter::after_fork() {
  impl_->open.store->after_fork();
  impl_->next_request_id = random_number();
}

std::vector<WindowState> Limiter::peek(std::string_view client, std::string_view rule,
                                       std::string_view tier) const {
  return impl_->open.engine->peek(client, rule, tier, impl_->open.segment.now_us());
}

std::size_t Limiter::reset(std::string_view client, std::string_view rule) {
  return impl_->open.engine->reset(client, rule, impl_->open.segment.now_us());
}

bool Limiter::reset_rule(std::string_view rule) {
  return impl_->open.engine->reset_rule(rule, impl_->open.segment.now_us());
}

const RateLimitConfig& Limiter::config() const { return impl_->config; }
std::string_view Limiter::admin_token() const { return impl_->admin_token; }
RenderOptions Limiter::render_options() const { return RenderOptions::from(impl_->config); }
// Of the limiter, because a clock belongs to it. NOLINTNEXTLINE(*-member-functions-to-static)
std::uint64_t Limiter::wall_us() const { return coarse_wall_us(); }

void Limiter::refresh() {
  impl_->instruments.refresh(*impl_->open.store, impl_->open.segment.now_us());
}

Status Limiter::status() const {
  Status status;
  status.version = version();
  status.time_us = posix::wall_us();
  status.started_us = impl_->started_us;
  const Health health = this->health();
  status.health = health.status;
  status.backend = health.backend;
  status.breaker = health.breaker;
  status.failure_mode = to_string(impl_->config.failure_mode);
  status.warnings = impl_->warnings;
  impl_->instruments.read(*impl_->open.engine, *impl_->open.store, impl_->open.segment.now_us(),
                          impl_->config.top_clients, status);
  return status;
}

std::string Limiter::metrics() const { return prometheus_text(status()); }

std::string Limiter::status_json() const {
  std::string json;
  append_status_json(status(), json);
  return json;
}

Health Limiter::health() const {
  const auto start = SteadyClock::now();
  const auto looked =
      impl_->open.engine->peek("ip:local", impl_->open.engine->policy().default_rule().name,
                               "anonymous", impl_->open.segment.now_us());
  const std::chrono::duration<double, std::milli> taken = SteadyClock::now() - start;
  return {.status = "ok",
          .backend = to_string(impl_->config.backend),
          .latency_ms = taken.count(),
          .breaker = "closed"};
}

void Limiter::reopen_log() {
  std::expected<void, Error> opened;
  {
    const std::lock_guard lock(impl_->log_mutex);
    opened = impl_->log.reopen();
  }
  if (!opened) impl_->write_event(LogLevel::error, "log_not_reopened", opened.error().message);
}

void Limiter::log_event(std::string_view event, std::string_view message) {
  impl_->write_event(LogLevel::warning, event, message);
}

void Limiter::count_admin_denied() { impl_->instruments.counters.count_admin_denied(); }

void Limiter::warn_identity(std::string_view reason, std::string_view message) {
  impl_->instruments.counters.count_warning(reason);
  {
    const std::lock_guard lock(impl_->log_mutex);
    if (!impl_->warned.emplace(reason).second) return;
  }
  impl_->write_event(LogLevel::warning, reason, message);
}

}  // namespace tidegate
