#include "tidegate/limiter.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adapters/posix/background.hpp"
#include "adapters/posix/file_watch.hpp"
#include "adapters/posix/generation.hpp"
#include "adapters/posix/generations.hpp"
#include "adapters/posix/instruments.hpp"
#include "adapters/posix/load_text.hpp"
#include "adapters/posix/log_file.hpp"
#include "adapters/posix/random.hpp"
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

}  // namespace

struct Limiter::Impl {
  Impl(posix::Opened opened, posix::LogFile its_log)
      : segment(std::move(opened.segment)),
        config_state(segment.config()),
        generations(std::move(opened.generation)),
        render_options(RenderOptions::from(generations.pin()->config())),
        taken_up(generations.pin()->number),
        instruments(segment.counters_memory(), generations.pin()->config().memory.capacity),
        log(std::move(its_log)),
        log_name(generations.pin()->config().log),
        gate(segment.hash_key()),
        next_request_id(posix::random_number()) {
    watch_key_files();
  }

  void observe(const RateLimitConfig& config, const Request& request, const Decision& decision);
  void write_decision(const Request& request, const Decision& decision, LogLevel level);
  void write_event(LogLevel level, std::string_view event, std::string_view message);
  void write_line();

  void write_refused(const posix::Faults& faults);
  void use(std::unique_ptr<posix::Generation> generation);
  void take_up_what_is_in_force();
  void see_whether_reloaded();
  void watch_key_files();
  void see_whether_keys_changed(Micros wall);
  void read_keys_again();
  void note_keys_error(const std::string& error);

  posix::Segment segment;
  posix::SegmentConfig config_state;
  posix::Generations generations;
  std::atomic<RenderOptions> render_options;  ///< of the generation in use
  std::atomic<std::uint64_t> taken_up;        ///< the newest generation that was tried
  posix::Instruments instruments;
  Micros started_us = posix::wall_us();
  posix::FileWatch key_files;       ///< of the generation in use
  std::mutex keys_mutex;            ///< guards what follows
  std::string keys_error;           ///< why the keys of tokens are older than their file
  std::optional<std::string> file;  ///< that reload() reads; nothing: wherever load_config looks

  std::mutex log_mutex;  ///< guards what follows
  posix::LogFile log;
  std::string log_name;
  LogGate gate;
  std::string line;
  std::uint64_t lost_lines = 0;  ///< of this process, since the last that was written
  std::uint64_t next_request_id;
  std::set<std::string, std::less<>> warned;  ///< reasons that this process has logged

  posix::Background background;  // last: it uses all of the above
};

Limiter::Limiter() = default;
Limiter::~Limiter() = default;

std::expected<std::unique_ptr<Limiter>, Error> Limiter::open(const LoadedConfig& config) {
  auto log = posix::LogFile::open(config.config.log);
  if (!log) return std::unexpected(log.error());
  auto opened = posix::open_and_put_in_force(config);
  if (!opened) return std::unexpected(opened.error());
  const std::optional<std::string> replaced = opened->replaced;
  std::unique_ptr<Limiter> limiter(new Limiter);
  limiter->impl_ = std::make_unique<Impl>(std::move(*opened), std::move(*log));
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

void Limiter::decide(const Request& request, Decision& out) noexcept {
  if (impl_->config_state.generation() != impl_->taken_up.load(std::memory_order_relaxed))
      [[unlikely]] {
    impl_->see_whether_reloaded();
  }
  const Times times{.now_us = impl_->segment.now_us(), .wall_us = coarse_wall_us()};
  impl_->see_whether_keys_changed(times.wall_us);
  const auto generation = impl_->generations.pin();
  try {
    generation->engine->decide(request, times, out);
  } catch (const std::exception&) {
    // No memory for a decision: an outage of the limiter, which the failure mode answers.
    const bool open = generation->config().failure_mode == FailureMode::fail_open;
    out.outcome = open ? Outcome::failed_open : Outcome::failed_closed;
    out.denial = open ? Denial::none : Denial::rate_limiter_unavailable;
    out.windows.clear();
    out.tightest = 0;
    out.subject = 0;
    out.retry_after_us.reset();
  }
  try {
    impl_->observe(generation->config(), request, out);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // No memory for a log line: the decision stands, the line is lost.
  }
}

void Limiter::Impl::observe(const RateLimitConfig& config, const Request& request,
                            const Decision& decision) {
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
  write_line();
}

void Limiter::Impl::write_event(LogLevel level, std::string_view event, std::string_view message) {
  if (level < generations.pin()->config().log_level) return;
  const std::lock_guard lock(log_mutex);
  line.clear();
  append_log_line(level, posix::wall_us(), event, message, line);
  write_line();
}

/// Writes `line`, or counts it as lost and says so: at once to standard error, if that is not the
/// log itself, and in the log as soon as it takes lines again.
void Limiter::Impl::write_line() {
  if (lost_lines != 0) {
    std::string gap;
    append_log_line(LogLevel::warning, posix::wall_us(), "log_lines_lost",
                    fmt::format("{} lines before this one could not be written", lost_lines), gap);
    if (log.write(gap)) lost_lines = 0;
  }
  if (lost_lines == 0 && log.write(line)) return;
  instruments.counters.count_lost_line();
  if (lost_lines++ != 0) return;
  line.clear();
  append_log_line(LogLevel::error, posix::wall_us(), "log_not_written",
                  fmt::format("the log {} takes no more lines: {}; requests go on", log_name,
                              log.what_failed()),
                  line);
  if (auto standard_error = posix::LogFile::open("stderr");
      standard_error && log_name != "stderr") {
    standard_error->write(line);
  }
}

void Limiter::Impl::write_refused(const posix::Faults& faults) {
  std::string message = "the rules stay as they are";
  for (const Fault& fault : faults) message += "\n" + to_string(fault);
  write_event(LogLevel::error, "configuration_refused", message);
}

/// Puts a generation into use in this process.
void Limiter::Impl::use(std::unique_ptr<posix::Generation> generation) {
  std::expected<void, Error> opened;
  {
    const std::lock_guard lock(log_mutex);
    if (const std::string& name = generation->config().log; name != log_name) {
      if (auto other = posix::LogFile::open(name)) {
        log = std::move(*other);
        log_name = name;
      } else {
        opened = std::unexpected(other.error());
      }
    }
  }
  render_options = RenderOptions::from(generation->config());
  taken_up = generation->number;
  generations.replace(std::move(generation));
  watch_key_files();
  if (!opened) write_event(LogLevel::error, "log_not_changed", opened.error().message);
}

void Limiter::Impl::take_up_what_is_in_force() {
  const std::uint64_t number = config_state.generation();
  auto next = posix::take_up(segment);
  if (!next) {
    // Once: the next reload may be better.
    taken_up = number;
    for (const Fault& fault : next.error()) {
      write_event(LogLevel::error, "configuration_not_taken_up", to_string(fault));
    }
    return;
  }
  const std::string source = posix::source_of((*next)->loaded);
  const std::uint64_t taken = (*next)->number;
  if (taken == generations.pin()->number) {
    taken_up = taken;
    return;
  }
  use(std::move(*next));
  write_event(LogLevel::info, "configuration_taken_up",
              fmt::format("generation {}, from {}", taken, source));
}

void Limiter::Impl::see_whether_reloaded() {
  if (config_state.generation() == taken_up) return;
  background.run([this] { take_up_what_is_in_force(); });
}

void Limiter::Impl::watch_key_files() {
  std::vector<std::string> paths;
  for (const auto& [path, text] : generations.pin()->loaded.key_files) paths.push_back(path);
  key_files.watch(std::move(paths));
}

void Limiter::Impl::see_whether_keys_changed(Micros wall) {
  if (key_files.changed(wall)) background.run([this] { read_keys_again(); });
}

/// Takes up the generation in force once more if the files with keys hold others than before. What
/// cannot be read or is no key changes nothing, until the file does again.
void Limiter::Impl::read_keys_again() {
  key_files.note(posix::wall_us());
  bool same = config_state.generation() == generations.pin()->number;
  const auto known = generations.pin()->loaded.key_files;  // not to hold the pin meanwhile
  for (const auto& [path, text] : known) {
    const auto now = posix::read_key_file(path);
    same = same && now && *now == text;
  }
  if (same) return note_keys_error("");
  auto next = posix::take_up(segment);
  if (!next) return note_keys_error(to_string(next.error().front()));
  use(std::move(*next));
  note_keys_error("");
  write_event(LogLevel::info, "keys_taken_up", "tokens are checked with the keys of another file");
}

/// Logs when keys cannot be read, and when they can again: once each.
void Limiter::Impl::note_keys_error(const std::string& error) {
  bool began = false;
  bool ended = false;
  {
    const std::lock_guard lock(keys_mutex);
    began = keys_error.empty() && !error.empty();
    ended = !keys_error.empty() && error.empty();
    keys_error = error;
  }
  if (began) {
    instruments.counters.count_warning("keys_not_read");
    write_event(LogLevel::error, "keys_not_read",
                "tokens are checked with the keys as they were: " + error);
  }
  if (ended) write_event(LogLevel::info, "keys_read", "the keys of tokens can be read again");
}

void Limiter::after_fork() {
  impl_->background.after_fork();
  impl_->generations.forget_pins();
  impl_->generations.pin()->store->after_fork();
  impl_->next_request_id = posix::random_number();
  if (impl_->config_state.generation() != impl_->taken_up) impl_->take_up_what_is_in_force();
}

std::expected<std::uint64_t, std::vector<Fault>> Limiter::reload() {
  const auto loaded = load_config(impl_->file);
  if (loaded) return reload(*loaded);
  posix::note_refused(impl_->segment, loaded.error());
  impl_->write_refused(loaded.error());
  return std::unexpected(loaded.error());
}

std::expected<std::uint64_t, std::vector<Fault>> Limiter::reload(const LoadedConfig& config) {
  auto next = posix::put_in_force(impl_->segment, config);
  if (!next) {
    impl_->write_refused(next.error());
    return std::unexpected(std::move(next.error()));
  }
  const std::uint64_t number = (*next)->number;
  impl_->use(std::move(*next));
  impl_->write_event(LogLevel::info, "configuration_reloaded",
                     fmt::format("generation {}, from {}", number, posix::source_of(config)));
  return number;
}

std::uint64_t Limiter::count_reload_request() {
  constexpr std::uint64_t kMostAMinute = 5;
  return impl_->config_state.count_request(impl_->segment.now_us(), kMostAMinute);
}

std::vector<WindowState> Limiter::peek(std::string_view client, std::string_view rule,
                                       std::string_view tier) const {
  return impl_->generations.pin()->engine->peek(client, rule, tier, impl_->segment.now_us());
}

std::size_t Limiter::reset(std::string_view client, std::string_view rule) {
  return impl_->generations.pin()->engine->reset(client, rule, impl_->segment.now_us());
}

bool Limiter::reset_rule(std::string_view rule) {
  return impl_->generations.pin()->engine->reset_rule(rule, impl_->segment.now_us());
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
// Of the limiter, because a clock belongs to it. NOLINTNEXTLINE(*-member-functions-to-static)
std::uint64_t Limiter::wall_us() const { return coarse_wall_us(); }

void Limiter::refresh() {
  impl_->see_whether_reloaded();
  impl_->see_whether_keys_changed(coarse_wall_us());
  impl_->instruments.refresh(*impl_->generations.pin()->store, impl_->segment.now_us());
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
  status.reloads = impl_->config_state.state();
  const auto generation = impl_->generations.pin();
  status.failure_mode = to_string(generation->config().failure_mode);
  status.warnings = generation->loaded.warnings;
  impl_->instruments.read(*generation->engine, *generation->store, impl_->segment.now_us(),
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
  const auto start = SteadyClock::now();
  const auto looked =
      generation->engine->peek("ip:local", generation->engine->policy().default_rule().name,
                               "anonymous", impl_->segment.now_us());
  const std::chrono::duration<double, std::milli> taken = SteadyClock::now() - start;
  Status::Reloads reloads = impl_->config_state.state();
  const std::lock_guard lock(impl_->keys_mutex);
  return {.status = impl_->keys_error.empty() ? "ok" : "degraded",
          .backend = to_string(generation->config().backend),
          .latency_ms = taken.count(),
          .breaker = "closed",
          .generation = reloads.generation,
          .reload_error = std::move(reloads.last_error),
          .keys_error = impl_->keys_error};
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
