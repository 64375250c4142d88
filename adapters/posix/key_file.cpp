#include "adapters/posix/key_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

namespace tidegate::posix {
namespace {

constexpr Micros kPause_us = 1'000'000;
constexpr Micros kNever = std::numeric_limits<Micros>::max();

/// Which file it is, and how it is: differs if anything was changed.
std::string look_at(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return "gone";
  return fmt::format("{} {} {} {}.{} {}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

}  // namespace

void KeyFile::watch(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (path != path_) {
    path_ = path;
    wrong_ = false;
  }
  seen_.clear();
  next_us_ = path.empty() ? kNever : 0;
}

std::string KeyFile::path() const {
  const std::lock_guard lock(mutex_);
  return path_;
}

bool KeyFile::changed(Micros now_us) {
  Micros due = next_us_.load(std::memory_order_relaxed);
  if (now_us < due || !next_us_.compare_exchange_strong(due, now_us + kPause_us)) return false;
  const std::lock_guard lock(mutex_);
  const std::string before = std::exchange(seen_, look_at(path_));
  return seen_ != before || wrong_;
}

}  // namespace tidegate::posix
