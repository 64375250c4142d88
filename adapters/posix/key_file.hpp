// Whether the file that the keys of tokens are from has changed since it was read.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "core/time.hpp"

namespace tidegate::posix {

/// Looks at the file at most once a second. Any thread.
class KeyFile {
 public:
  /// "" if there is none.
  explicit KeyFile(const std::string& path) { watch(path); }

  /// From now on it is this file, which counts as changed once: it may have changed since it was
  /// read.
  void watch(const std::string& path);
  [[nodiscard]] std::string path() const;

  /// Whether `changed` would look at the file: for each decision.
  [[nodiscard]] bool may_be_due(Micros now_us) const {
    return now_us >= next_us_.load(std::memory_order_relaxed);
  }
  /// True if it is time to look and the file is not the one that was seen last, or is gone; once
  /// for each change, and once a second while what was read last is wrong.
  [[nodiscard]] bool changed(Micros now_us);

  /// What was read last is no set of keys.
  void set_wrong(bool wrong) { wrong_ = wrong; }
  [[nodiscard]] bool wrong() const { return wrong_; }

 private:
  mutable std::mutex mutex_;  ///< guards path_ and seen_
  std::string path_;
  std::string seen_;  ///< how the file was seen last
  std::atomic<Micros> next_us_{0};
  std::atomic<bool> wrong_ = false;
};

}  // namespace tidegate::posix
