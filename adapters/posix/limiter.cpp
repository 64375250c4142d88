#include "tidegate/limiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/posix/limiter_impl.hpp"
#include "adapters/posix/redis_operator.hpp"
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

}  // namespace

Limiter::Impl::Impl(Limiter& limiter, posix::Opened opened, posix::LogFile log)
    : segment(std::move(opened.segment)),
      config_state(segment.config()),
      generations(std::move(opened.generation)),
      render_options(RenderOptions::from(generations.pin()->config())),
      taken_up(generations.pin()->number),
      instruments(segment.counters_memory(), generations.pin()->config().memory.capacity),
      journal(std::move(log), generations.pin()->config().log, segment.hash_key(),
              [this] { instruments.counters.count_lost_line(); }),
      started_us(posix::wall_us()),
      waiting(limiter) {
  watch_key_files();
}

Limiter::Limiter() = default;
Limiter::~Limiter() = default;

std::expected<std::unique_ptr<Limiter>, Error> Limiter::open(const LoadedConfig& config) {
  auto log = posix::LogFile::open(config.config.log);
  if (!log) return std::unexpected(log.error());
  auto opened = posix::open_and_put_in_force(config);
  if (!opened) return std::unexpected(opened.error());
  const std::optional<std::string> replaced = opened->replaced;
  std::unique_ptr<Limiter> limiter(new Limiter);
  limiter->impl_ = std::make_unique<Impl>(*limiter, std::move(*opened), std::move(*log));
  Impl& impl = *limiter->impl_;
  if (!config.file.empty()) impl.file = config.file;

  const std::int64_t drift_us = impl.segment.drift_us();
  if (std::abs(drift_us) > kDriftWorthAWarning_us) {
    impl.write_event(
        LogLevel::warning, "clock_drift",
        fmt::format("the segment's clock is {} s {} the wall clock; limits are not affected, times "
                    "in the log of decisions and in fields follow the wall clock",
                    std::abs(drift_us / 1'000'000), drift_us > 0 ? "ahead of" : "behind"));
  }
  if (replaced) {
    impl.write_event(LogLevel::warning, "configuration_replaced",
                     fmt::format("{} replaces {}, which was in force; generation {}",
                                 posix::source_of(config), *replaced, impl.taken_up.load()));
  }
  return limiter;
}

Micros Limiter::Impl::now_us() const {
  const Micros moved = moved_us.load(std::memory_order_relaxed);
  return moved == 0 ? segment.now_us() : stopped_now_us + moved - 1;
}

Micros Limiter::Impl::wall_us() const {
  const Micros moved = moved_us.load(std::memory_order_relaxed);
  return moved == 0 ? coarse_wall_us() : stopped_wall_us + moved - 1;
}

Times Limiter::Impl::look_around() {
  if (config_state.generation() != taken_up.load(std::memory_order_relaxed)) [[unlikely]] {
    see_whether_reloaded();
  }
  const Times times{.now_us = now_us(), .wall_us = wall_us()};
  see_whether_keys_changed(times.wall_us);
  return times;
}

std::shared_ptr<const posix::Generation> Limiter::Impl::shared_generation() const {
  return generations.pin()->shared_from_this();
}

BreakerState Limiter::Impl::breaker_state() const {
  return state_of(instruments.guards(), now_us());
}

std::string_view Limiter::Impl::redis_health() const {
  if (breaker_state() == BreakerState::closed) return "ok";
  return generations.pin()->config().failure_mode == FailureMode::fail_closed ? "failing"
                                                                              : "degraded";
}

void Limiter::Impl::note_redis_event(std::string_view event, std::string_view message) {
  const bool outage = event.starts_with("redis_outage");
  if (!outage && !journal.first_of(event)) return;
  const bool good = event == "redis_outage_ended";
  write_event(good ? LogLevel::info : outage ? LogLevel::error : LogLevel::warning, event, message);
}

void Limiter::Impl::fail_without_memory(Decision& out) const {
  const bool open = generations.pin()->config().failure_mode == FailureMode::fail_open;
  out.outcome = open ? Outcome::failed_open : Outcome::failed_closed;
  out.denial = open ? Denial::none : Denial::rate_limiter_unavailable;
  out.windows.clear();
  out.tightest = 0;
  out.subject = 0;
  out.retry_after_us.reset();
}

void Limiter::decide(const Request& request, Decision& out) noexcept {
  const Times times = impl_->look_around();
  const auto generation = impl_->generations.pin();
  if (generation->config().backend == BackendKind::redis)
    return impl_->waiting.decide(request, out);
  try {
    generation->engine->decide(request, times, out);
  } catch (const std::exception&) {
    impl_->fail_without_memory(out);
  }
  impl_->observe(generation->config(), request, out);
}

void Limiter::Impl::observe(const RateLimitConfig& config, const Request& request,
                            const Decision& decision) noexcept {
  if (!config.enabled) return;
  try {
    instruments.counters.count(decision);
    if (decision.spoken_of() == nullptr) return;
    if (config.top_clients != 0) {
      if (config.backend == BackendKind::redis) {
        instruments.top.note_used(decision);
      } else {
        instruments.top.note(decision);
      }
    }
    const bool violation = !decision.admitted() || decision.outcome == Outcome::shadow;
    const LogLevel level = violation ? LogLevel::info : LogLevel::debug;
    if (config.log_level <= level) journal.write_decision(request, decision, level);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // No memory for a log line: the decision stands, the line is lost.
  }
}

void Limiter::Impl::write_event(LogLevel level, std::string_view event, std::string_view message) {
  if (level >= generations.pin()->config().log_level) journal.write_event(level, event, message);
}

void Limiter::after_fork() {
  impl_->background.after_fork();
  impl_->generations.forget_pins();
  impl_->generations.pin()->store->after_fork();
  impl_->waiting.after_fork();
  impl_->journal.after_fork();
  if (impl_->config_state.generation() != impl_->taken_up) impl_->take_up_what_is_in_force();
}

std::expected<std::vector<WindowState>, Error> Limiter::peek(std::string_view client,
                                                             std::string_view rule,
                                                             std::string_view tier) const {
  const auto generation = impl_->shared_generation();
  if (generation->config().backend == BackendKind::memory) {
    return generation->engine->peek(client, rule, tier, impl_->now_us());
  }
  auto peek = posix::redis_peek(*generation, client, rule, tier);
  if (!peek) return std::unexpected(peek.error());
  return std::move(peek->windows);
}

std::expected<std::size_t, Error> Limiter::reset(std::string_view client, std::string_view rule) {
  const auto generation = impl_->shared_generation();
  if (generation->config().backend == BackendKind::memory) {
    return generation->engine->reset(client, rule, impl_->now_us());
  }
  auto forgotten = posix::redis_reset(*generation, client, rule);
  impl_->instruments.note_reset();
  return forgotten;
}

std::expected<bool, Error> Limiter::reset_rule(std::string_view rule) {
  const auto generation = impl_->shared_generation();
  if (generation->config().backend == BackendKind::memory) {
    return generation->engine->reset_rule(rule, impl_->now_us());
  }
  const auto& rules = generation->engine->policy().rules();
  if (std::ranges::find(rules, rule, &Rule::name) == rules.end()) return false;
  const auto forgotten = posix::redis_reset_rule(*generation, rule);
  impl_->instruments.note_reset();
  if (!forgotten) return std::unexpected(forgotten.error());
  return true;
}

std::shared_ptr<const RateLimitConfig> Limiter::config() const {
  const std::shared_ptr<const Policy> policy = impl_->generations.pin()->engine->shared_policy();
  return {policy, &policy->config()};
}
std::string Limiter::admin_token() const {
  const auto generation = impl_->generations.pin();
  const auto found = generation->loaded.secrets.find(generation->config().admin_token_env);
  return found == generation->loaded.secrets.end() ? "" : found->second;
}
RenderOptions Limiter::render_options() const { return impl_->render_options; }
std::uint64_t Limiter::wall_us() const { return impl_->wall_us(); }

void Limiter::refresh() {
  impl_->see_whether_reloaded();
  impl_->see_whether_keys_changed(impl_->wall_us());
  impl_->instruments.refresh(*impl_->generations.pin()->store, impl_->now_us());
}

Status Limiter::status() const {
  Status status;
  status.version = version();
  status.time_us = posix::wall_us();
  status.started_us = impl_->started_us;
  const Health health = this->health();
  status.redis_latencies = impl_->instruments.redis.latencies();
  status.redis_errors = impl_->instruments.redis.errors();
  status.health = health.status;
  status.backend = health.backend;
  status.breaker = health.breaker;
  status.reloads = impl_->config_state.state();
  const auto generation = impl_->generations.pin();
  status.failure_mode = to_string(generation->config().failure_mode);
  status.warnings = generation->loaded.warnings;
  impl_->instruments.read(*generation->engine, *generation->store, impl_->now_us(),
                          generation->config().top_clients, status);
  return status;
}

std::string Limiter::metrics() const { return prometheus_text(status()); }

std::string Limiter::status_json() const {
  std::string json;
  append_status_json(status(), json);
  return json;
}

Health Limiter::health() const {
  const auto generation = impl_->generations.pin();
  const bool redis = generation->config().backend == BackendKind::redis;
  double latency_ms = 0;
  if (redis) {
    latency_ms = static_cast<double>(impl_->instruments.redis.last_check_us()) / 1e3;
  } else {
    const auto start = SteadyClock::now();
    const auto looked = generation->engine->peek(
        "ip:local", generation->engine->policy().default_rule().name, "anonymous", impl_->now_us());
    latency_ms = std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
  }
  std::string_view status = redis ? impl_->redis_health() : "ok";
  Status::Reloads reloads = impl_->config_state.state();
  const std::lock_guard lock(impl_->keys_mutex);
  if (status == "ok" && !impl_->keys_error.empty()) status = "degraded";
  return {.status = status,
          .backend = to_string(generation->config().backend),
          .latency_ms = latency_ms,
          .breaker = redis ? to_string(impl_->breaker_state()) : "closed",
          .generation = reloads.generation,
          .reload_error = std::move(reloads.last_error),
          .keys_error = impl_->keys_error};
}

void Limiter::reopen_log() {
  if (const auto opened = impl_->journal.reopen(); !opened) {
    impl_->write_event(LogLevel::error, "log_not_reopened", opened.error().message);
  }
}

void Limiter::log_event(std::string_view event, std::string_view message) {
  impl_->write_event(LogLevel::warning, event, message);
}

void Limiter::count_admin_denied() { impl_->instruments.counters.count_admin_denied(); }

void Limiter::log_to(LogSink sink) { impl_->journal.log_to(std::move(sink)); }

bool Limiter::stop_clock() {
  if (!impl_->generations.pin()->config().memory.segment.empty()) return false;
  if (impl_->moved_us != 0) return true;
  impl_->stopped_now_us = impl_->now_us();
  impl_->stopped_wall_us = impl_->wall_us();
  impl_->moved_us = 1;
  return true;
}

void Limiter::advance(std::chrono::microseconds by) {
  if (impl_->moved_us != 0 && by.count() > 0) impl_->moved_us += static_cast<Micros>(by.count());
}

void Limiter::warn_identity(std::string_view reason, std::string_view message) {
  impl_->instruments.counters.count_warning(reason);
  if (!impl_->journal.first_of(reason)) return;
  impl_->write_event(LogLevel::warning, reason, message);
}

}  // namespace tidegate
