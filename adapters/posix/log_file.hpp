// Where log lines go: standard error, or a file that can be opened again under its name.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "adapters/posix/file_descriptor.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// One line is one write, appended: lines of several processes do not mix. What cannot be written
/// (a full disk, a pipe nobody reads) is lost; nothing waits or ends for it. One
/// thread at a time.
class LogFile {
 public:
  /// `name` is "stderr" or a path; a file that is not there is created with mode 0640.
  [[nodiscard]] static std::expected<LogFile, Error> open(const std::string& name);

  /// Opens the file again, after it was renamed. If that fails, the old one stays.
  [[nodiscard]] std::expected<void, Error> reopen();
  /// `line` ends with a newline. False if it was lost.
  bool write(std::string_view line);

 private:
  explicit LogFile(std::string name) : name_(std::move(name)) {}

  std::string name_;
  FileDescriptor file_;  ///< not valid: standard error
};

}  // namespace tidegate::posix
