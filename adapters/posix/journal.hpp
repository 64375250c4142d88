// The log of one process: lines of decisions and of events, in the order they come.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/posix/log_file.hpp"
#include "observe/log_gate.hpp"
#include "observe/log_line.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// Any number of threads. A line that cannot be written is counted and told about; nothing waits
/// for a disk that is full.
class Journal {
 public:
  /// `file` is open under `name`. `hash_key` keeps clients from aiming at each other's lines.
  /// `on_lost` is called for each line that could not be written.
  Journal(LogFile file, std::string name, const HashKey& hash_key, std::function<void()> on_lost);

  /// Violations are written once for each client, rule, window and process, with how many were
  /// suppressed since. The request is looked at for X-Request-ID.
  void write_decision(const Request& request, const Decision& decision, LogLevel level);
  void write_event(LogLevel level, std::string_view event, std::string_view message);
  /// True the first time for each reason.
  [[nodiscard]] bool first_of(std::string_view reason);

  /// Writes to another file from now on. An error leaves it as it was.
  [[nodiscard]] std::expected<void, Error> change_file(const std::string& name);
  /// Opens the file again under its name.
  [[nodiscard]] std::expected<void, Error> reopen();
  /// Takes the lines that would go to standard error. Before the journal is shared.
  void log_to(std::function<void(LogLevel, std::string_view)> sink) { sink_ = std::move(sink); }
  /// For a child of fork: its requests get numbers of their own.
  void after_fork();

 private:
  void write_line(LogLevel level);
  bool write(LogLevel level, std::string_view line);

  std::function<void()> on_lost_;
  std::function<void(LogLevel, std::string_view)> sink_;
  std::mutex mutex_;  ///< guards what follows
  LogFile file_;
  std::string name_;
  LogGate gate_;
  std::string line_;
  std::uint64_t lost_lines_ = 0;  ///< since the last that was written
  std::uint64_t next_request_id_;
  std::set<std::string, std::less<>> reasons_;
};

}  // namespace tidegate::posix
