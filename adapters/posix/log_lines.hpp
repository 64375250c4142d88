// Lines of a limiter's log on their way to somebody else's.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "tidegate/config.hpp"

namespace tidegate::posix {

/// Written by any thread, and taken by one that may write to the other log, so that nobody waits
/// for it to write a line. What does not fit is dropped, the oldest first.
class LogLines {
 public:
  void add(LogLevel level, std::string_view line) {
    const std::lock_guard lock(mutex_);
    if (lines_.size() == kMost) lines_.pop_front();
    lines_.emplace_back(level, line);
    any_ = true;
  }
  /// True where there is something to take, without a lock.
  [[nodiscard]] bool any() const { return any_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::deque<std::pair<LogLevel, std::string>> take() {
    const std::lock_guard lock(mutex_);
    any_ = false;
    return std::exchange(lines_, {});
  }

 private:
  static constexpr std::size_t kMost = 10'000;

  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::deque<std::pair<LogLevel, std::string>> lines_;
};

}  // namespace tidegate::posix
