#include "adapters/posix/journal.hpp"

#include <fmt/format.h>

#include <utility>

#include "adapters/posix/random.hpp"
#include "adapters/posix/segment.hpp"

namespace tidegate::posix {

Journal::Journal(LogFile file, std::string name, const HashKey& hash_key,
                 std::function<void()> on_lost)
    : on_lost_(std::move(on_lost)),
      file_(std::move(file)),
      name_(std::move(name)),
      gate_(hash_key),
      next_request_id_(random_number()) {}

void Journal::write_decision(const Request& request, const Decision& decision, LogLevel level) {
  const std::lock_guard lock(mutex_);
  std::uint64_t suppressed = 0;
  if (level == LogLevel::info) {
    const auto passed = gate_.pass(decision);
    if (!passed) return;
    suppressed = *passed;
  }
  std::string request_id;
  if (request.headers != nullptr) {
    request.headers->each("X-Request-ID", [&](std::string_view value) {
      if (is_request_id(value)) request_id = value;
      return false;
    });
  }
  // An odd step visits every number before the first comes again.
  if (request_id.empty()) {
    request_id = make_request_id(next_request_id_ += 0x9e37'79b9'7f4a'7c15);
  }
  line_.clear();
  append_log_line(decision, level, wall_us(), request_id, suppressed, line_);
  write_line(level);
}

void Journal::write_event(LogLevel level, std::string_view event, std::string_view message) {
  const std::lock_guard lock(mutex_);
  line_.clear();
  append_log_line(level, wall_us(), event, message, line_);
  write_line(level);
}

bool Journal::write(LogLevel level, std::string_view line) {
  if (!sink_ || name_ != "stderr") return file_.write(line);
  if (line.ends_with('\n')) line.remove_suffix(1);
  sink_(level, line);
  return true;
}

/// Writes `line_`, or counts it as lost and says so: at once to standard error, if that is not the
/// log itself, and in the log as soon as it takes lines again.
void Journal::write_line(LogLevel level) {
  if (lost_lines_ != 0) {
    std::string gap;
    append_log_line(LogLevel::warning, wall_us(), "log_lines_lost",
                    fmt::format("{} lines before this one could not be written", lost_lines_), gap);
    if (write(LogLevel::warning, gap)) lost_lines_ = 0;
  }
  if (lost_lines_ == 0 && write(level, line_)) return;
  on_lost_();
  if (lost_lines_++ != 0) return;
  line_.clear();
  append_log_line(
      LogLevel::error, wall_us(), "log_not_written",
      fmt::format("the log {} takes no more lines: {}; requests go on", name_, file_.what_failed()),
      line_);
  if (auto standard_error = LogFile::open("stderr"); standard_error && name_ != "stderr") {
    standard_error->write(line_);
  }
}

bool Journal::first_of(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  return reasons_.emplace(reason).second;
}

std::expected<void, Error> Journal::change_file(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (name == name_) return {};
  auto other = LogFile::open(name);
  if (!other) return std::unexpected(other.error());
  file_ = std::move(*other);
  name_ = name;
  return {};
}

std::expected<void, Error> Journal::reopen() {
  const std::lock_guard lock(mutex_);
  return file_.reopen();
}

void Journal::after_fork() { next_request_id_ = random_number(); }

}  // namespace tidegate::posix
