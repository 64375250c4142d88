// What a limiter is made of. For the files of Limiter alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/posix/background.hpp"
#include "adapters/posix/file_watch.hpp"
#include "adapters/posix/generation.hpp"
#include "adapters/posix/generations.hpp"
#include "adapters/posix/instruments.hpp"
#include "adapters/posix/journal.hpp"
#include "adapters/posix/redis_waiting.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate {

struct Limiter::Impl {
  Impl(Limiter& limiter, posix::Opened opened, posix::LogFile log);

  /// Counts a decision and logs it as configured.
  void observe(const RateLimitConfig& config, const Request& request,
               const Decision& decision) noexcept;
  void write_event(LogLevel level, std::string_view event, std::string_view message);

  /// The segment's clock and the wall clock, or where they were stopped.
  [[nodiscard]] Micros now_us() const;
  [[nodiscard]] Micros wall_us() const;
  /// Whatever has to be noticed before a decision, and its time.
  Times look_around();
  /// There is no memory for a decision: an outage of the limiter, which the failure mode answers.
  void fail_without_memory(Decision& out) const;
  /// What a session on Redis has to say.
  void note_redis_event(std::string_view event, std::string_view message);
  [[nodiscard]] std::shared_ptr<const posix::Generation> shared_generation() const;
  [[nodiscard]] BreakerState breaker_state() const;
  /// How things stand in Redis: "ok", "degraded" or "failing".
  [[nodiscard]] std::string_view redis_health() const;

  void write_refused(const posix::Faults& faults);
  /// Puts a generation into use in this process.
  void use(std::shared_ptr<posix::Generation> generation);
  void take_up_what_is_in_force();
  void see_whether_reloaded();
  void watch_key_files();
  void see_whether_keys_changed(Micros wall);
  /// Takes up the generation in force once more if the files with keys hold others than before.
  /// What cannot be read or is no key changes nothing, until the file does again.
  void read_keys_again();
  /// Logs when keys cannot be read, and when they can again: once each.
  void note_keys_error(const std::string& error);

  posix::Segment segment;
  posix::SegmentConfig config_state;
  posix::Generations generations;
  std::atomic<RenderOptions> render_options;  ///< of the generation in use
  std::atomic<std::uint64_t> taken_up;        ///< the newest generation that was tried
  posix::Instruments instruments;
  posix::Journal journal;
  Micros started_us;
  posix::FileWatch key_files;       ///< of the generation in use
  std::mutex keys_mutex;            ///< guards what follows
  std::string keys_error;           ///< why the keys of tokens are older than their file
  std::optional<std::string> file;  ///< that reload() reads; nothing: wherever load_config looks

  /// How far the clocks were moved since they were stopped, plus one; 0: they run.
  std::atomic<Micros> moved_us{0};
  Micros stopped_now_us = 0;
  Micros stopped_wall_us = 0;

  std::mutex rules_mutex;  ///< guards what follows, and is held while another generation is made
  std::vector<EndpointConfig> rules;  ///< that the program has declared

  posix::RedisWaiting waiting;  ///< decisions of whoever has no event loop

  posix::Background background;  // last: it uses all of the above
};

}  // namespace tidegate
