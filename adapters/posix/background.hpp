// Work that must not hold up whoever decides, on threads that are there only as long.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <exception>
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
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }

  /// Starts `work`, unless some is under way or there is no thread to be had: whoever asks asks
  /// again. Any thread.
  template <class Work>
  void run(Work work) noexcept {
    if (busy_.exchange(true)) return;
    try {
      const std::lock_guard lock(mutex_);
      if (thread_.joinable()) thread_.join();  // has ended
      thread_ = run_behind([this, work = std::move(work)]() mutable {
        try {
          work();
        } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
          // No memory: whoever asks next begins again.
        }
        busy_ = false;
      });
    } catch (const std::exception&) {
      busy_ = false;
    }
  }

  /// In a child of fork: the thread stayed behind.
  void after_fork() {
    if (thread_.joinable()) thread_.detach();
    busy_ = false;
  }

 private:
  std::atomic<bool> busy_ = false;
  std::mutex mutex_;
  std::thread thread_;
};

}  // namespace tidegate::posix
