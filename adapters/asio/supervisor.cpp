#include "adapters/asio/supervisor.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace tidegate::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTooManyDeaths = 5;
constexpr auto kDeathsWithin = std::chrono::seconds(10);
/// Workers give running requests ten seconds; one that is not gone by now never will be.
constexpr auto kStopWithin = std::chrono::seconds(12);
/// Signals are waited for in turns of this length, so that the deadline above is noticed.
constexpr timespec kTurn{.tv_sec = 0, .tv_nsec = 500'000'000};

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status),
                       ::sigdescr_np(WTERMSIG(status)));
  }
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

class Supervisor {
 public:
  explicit Supervisor(const Supervision& supervision) : supervision_(supervision) {}

  int run() {
    block_signals();
    for (unsigned i = 0; i < supervision_.workers; ++i) {
      if (!start_worker()) return worker_code_ ? *worker_code_ : stop(1);
    }
    supervision_.on_started();
    for (;;) {
      const int signal = ::sigtimedwait(&signals_, nullptr, &kTurn);
      if (signal == SIGTERM || signal == SIGINT || told_to_stop()) return stop(0);
      if (signal == SIGHUP) supervision_.on_reload();
      if (signal == SIGUSR1) {
        supervision_.on_reopen_log();
        tell_workers(SIGUSR1);
      }
      if (!replace_the_dead()) return worker_code_ ? *worker_code_ : stop(1);
    }
  }

 private:
  void block_signals() {
    ::sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}) {
      // A shell may have started us with some of these ignored, and then none would arrive.
      ::signal(signal, SIG_DFL);
      ::sigaddset(&signals_, signal);
    }
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  /// Ctrl-C goes to the workers too: one that has ended by it already is not to be replaced.
  static bool told_to_stop() {
    sigset_t pending{};
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGINT) == 1;
  }

  /// False: no worker could be started; or this is one, and its work is done.
  bool start_worker() {
    std::fflush(nullptr);  // else the child would print what is buffered here once more
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) {
      supervision_.report("worker_not_started",
                          "fork failed: " + std::generic_category().message(errno));
      return false;
    }
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) std::_Exit(1);  // it died before the line above
      worker_code_ = supervision_.work();
      return false;
    }
    workers_.push_back(child);
    return true;
  }

  /// The next child that has ended, if one has.
  std::optional<int> reap() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, WNOHANG);
    if (child <= 0) return std::nullopt;
    std::erase(workers_, child);
    last_reaped_ = child;
    return status;
  }

  bool replace_the_dead() {
    while (const auto status = reap()) {
      const auto now = Clock::now();
      deaths_.push_back(now);
      while (now - deaths_.front() > kDeathsWithin) deaths_.pop_front();
      const std::string what = fmt::format("worker {} {}", last_reaped_, how_it_ended(*status));
      if (deaths_.size() >= kTooManyDeaths) {
        supervision_.report("workers_keep_dying",
                            fmt::format("{}; {} have died in {} seconds, so the server stops", what,
                                        deaths_.size(), kDeathsWithin.count()));
        return false;
      }
      if (!start_worker()) return false;
      supervision_.report("worker_replaced",
                          fmt::format("{}; {} takes its place", what, workers_.back()));
    }
    return true;
  }

  void tell_workers(int signal) const {
    for (const pid_t worker : workers_) ::kill(worker, signal);
  }

  int stop(int code) {
    tell_workers(SIGTERM);
    const auto deadline = Clock::now() + kStopWithin;
    while (!workers_.empty()) {
      if (reap()) continue;
      if (Clock::now() > deadline) {
        supervision_.report("workers_killed", fmt::format("{} workers did not stop in {} seconds",
                                                          workers_.size(), kStopWithin.count()));
        tell_workers(SIGKILL);
        while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
        }
        break;
      }
      ::sigtimedwait(&signals_, nullptr, &kTurn);
    }
    return code;
  }

  const Supervision& supervision_;
  sigset_t signals_{};
  std::vector<pid_t> workers_;
  std::optional<int> worker_code_;  ///< in a worker that has ended
  pid_t last_reaped_ = 0;
  std::deque<Clock::time_point> deaths_;
};

}  // namespace

int supervise(const Supervision& supervision) { return Supervisor(supervision).run(); }

}  // namespace tidegate::server
