// Whether files have become others.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace tidegate::posix {

/// Looks at files at most once a second: device, inode, size and time of change. Any thread.
class FileWatch {
 public:
  /// From now on these. What they are now is not known: the next look finds a change.
  void watch(std::vector<std::string> paths);
  /// Whether a file is another one than when `note` was called, or has come or gone. False between
  /// two looks, and where there are no files.
  [[nodiscard]] bool changed(Micros wall_us);
  /// Takes the files as they are for known. To be called before they are read, so that whatever
  /// comes later is a change.
  void note(Micros wall_us);

 private:
  struct Seen {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_ns = 0;
    bool there = false;
    bool certain = false;  ///< false: it may change again and look the same
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  static Seen look(const std::string& path, Micros wall_us);

  std::atomic<Micros> looked_us_ = 0;
  std::atomic<bool> any_ = false;
  std::mutex mutex_;  ///< guards what follows
  std::vector<std::string> paths_;
  std::vector<Seen> known_;
};

}  // namespace tidegate::posix
