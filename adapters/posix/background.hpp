// Work that must not hold up whoever decides, on threads that are there only as long.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace tidegate::posix {

/// Within its life this thread, and those it starts, get no signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// Starts `work` on a thread that the system serves behind all others and sends no signals to.
/// Throws std::system_error where there is no thread to be had. `work` must not throw.
template <class Work>
std::thread run_behind(Work work) {
  const SignalsBlocked blocked;
  return std::thread([work = std::move(work)]() mutable {
    constexpr int kNicest = 19;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNicest);
    work();
  });
}

/// One piece of such work at a time.
class Background {
 public:
  Background() = default;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  /// Waits until the work that is under way is done.
  ~Background() {
    std::unique_lock lock(state_->mutex);
    state_->done.wait(lock, [this] { return !state_->busy; });
  }

  /// Starts `work`, unless some is under way or there is no thread to be had: whoever asks asks
  /// again. Any thread; never waits.
  template <class Work>
  void run(Work work) noexcept {
    if (state_->busy.exchange(true)) return;
    try {
      // Detached: the system lets a thread that it serves last also end late, and whoever decides
      // would wait for that.
      run_behind([state = state_, work = std::move(work)]() mutable {
        try {
          Work(std::move(work))();
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
          // No memory: whoever asks next begins again.
        }
        const std::lock_guard lock(state->mutex);
        state->busy = false;
        state->done.notify_all();
      }).detach();
    } catch (const std::exception&) {
      state_->busy = false;
    }
  }

  /// In a child of fork: the thread stayed behind.
  void after_fork() { state_ = std::make_shared<State>(); }

 private:
  struct State {
    std::atomic<bool> busy = false;
    std::mutex mutex;
    std::condition_variable done;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();  ///< the thread's too
};

}  // namespace tidegate::posix
