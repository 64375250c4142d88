#include "adapters/posix/file_watch.hpp"

#include <utility>

namespace tidegate::posix {
namespace {

constexpr Micros kSecond_us = 1'000'000;
/// Within this time a file may be written again and keep its time of change: clocks of file systems
/// are coarse.
constexpr Micros kUncertain_us = 2 * kSecond_us;

}  // namespace

void FileWatch::watch(std::vector<std::string> paths) {
  const std::lock_guard lock(mutex_);
  paths_ = std::move(paths);
  known_.assign(paths_.size(), Seen{});
  any_ = !paths_.empty();
}

bool FileWatch::changed(Micros wall_us) {
  if (!any_.load(std::memory_order_relaxed)) return false;
  Micros looked_us = looked_us_.load(std::memory_order_relaxed);
  // A clock that was set back counts as a second too.
  const bool due = wall_us < looked_us || wall_us - looked_us >= kSecond_us;
  if (!due || !looked_us_.compare_exchange_strong(looked_us, wall_us)) return false;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    if (!known_[i].certain || look(paths_[i], wall_us) != known_[i]) return true;
  }
  return false;
}

void FileWatch::note(Micros wall_us) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < paths_.size(); ++i) known_[i] = look(paths_[i], wall_us);
}

FileWatch::Seen FileWatch::look(const std::string& path, Micros wall_us) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {.certain = true};
  constexpr std::int64_t kNanos = 1'000'000'000;
  Seen seen{.device = status.st_dev,
            .inode = status.st_ino,
            .size = status.st_size,
            .changed_ns = status.st_ctim.tv_sec * kNanos + status.st_ctim.tv_nsec,
            .there = true};
  const auto changed_us = static_cast<Micros>(seen.changed_ns / 1'000);
  seen.certain = wall_us > changed_us + kUncertain_us;
  return seen;
}

}  // namespace tidegate::posix
