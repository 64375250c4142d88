// What a worker process of nginx has of ours.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "adapters/http/admin.hpp"
#include "adapters/http/service.hpp"
#include "adapters/nginx/gate.hpp"
#include "adapters/nginx/nginx.hpp"
#include "adapters/nginx/postbox.hpp"
#include "adapters/nginx/settings.hpp"
#include "adapters/posix/redis_session.hpp"

namespace tidegate::nginx {

/// One for each process, on the thread of its event loop.
class Worker {
 public:
  /// That of this process; null where nothing is limited.
  [[nodiscard]] static Worker* current();
  /// After the fork; throws where there is no event loop to be had.
  static void start(const MainSettings& settings, std::size_t workers, bool forked);
  static void stop();

  explicit Worker(const MainSettings& settings, std::size_t workers);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// A gate for a request that has none. Whoever has it gives it back.
  [[nodiscard]] Gate* take_gate();
  static void take_back(Gate* gate) noexcept;

  [[nodiscard]] Limiter& limiter() { return *limiter_; }
  /// For work on other threads, which may end later than this.
  [[nodiscard]] const std::shared_ptr<Limiter>& shared_limiter() const { return limiter_; }
  [[nodiscard]] const std::shared_ptr<Postbox>& postbox() const { return postbox_; }
  /// Null: it counts in memory.
  [[nodiscard]] posix::RedisSession* session() { return session_ ? &*session_ : nullptr; }
  [[nodiscard]] server::Service& service() { return service_; }
  [[nodiscard]] server::Admin& admin() { return admin_; }

  void flush_log();

  /// A worker that is told to end does so when no timer is left to wait for, whatever requests wait
  /// for Redis or a thread: while there are some, there is a timer.
  static void hold();
  static void let_go() noexcept;

 private:
  void every_second();
  void hold_on();

  std::shared_ptr<Limiter> limiter_;
  std::shared_ptr<posix::LogLines> lines_;
  std::shared_ptr<Postbox> postbox_;
  server::Service service_;
  server::Admin admin_;
  std::vector<std::unique_ptr<Gate>> gates_;  ///< in use by nobody
  std::optional<posix::RedisSession> session_;
  ngx_event_t timer_{};
  ngx_event_t held_{};
  std::size_t holders_ = 0;
};

}  // namespace tidegate::nginx
