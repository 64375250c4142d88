// Where log lines go: standard error, or a file that can be opened again under its name.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "adapters/posix/file_descriptor.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// One line is one write, appended: lines of several processes do not mix. What cannot be written
/// (a full disk, a limit on the size of files, a pipe or terminal that nobody reads) is lost;
/// nothing waits or ends for it. One thread at a time.
class LogFile {
 public:
  /// `name` is "stderr" or a path; a file that is not there is created with mode 0640.
  [[nodiscard]] static std::expected<LogFile, Error> open(const std::string& name);

  /// Opens the file again, after it was renamed. If that fails, the old one stays.
  [[nodiscard]] std::expected<void, Error> reopen();
  /// `line` ends with a newline. False if it was lost. Where a disk had room for a part of a line,
  /// the next one begins behind a newline.
  bool write(std::string_view line);
  /// Why the last line was lost.
  [[nodiscard]] std::string what_failed() const;

 private:
  explicit LogFile(std::string name) : name_(std::move(name)) {}

  std::string name_;
  FileDescriptor file_;  ///< not valid: standard error, as it was handed to this process
  bool torn_ = false;    ///< the end of the file is a part of a line
  int error_ = 0;
};

}  // namespace tidegate::posix
