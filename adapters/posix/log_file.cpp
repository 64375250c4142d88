#include "adapters/posix/log_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace tidegate::posix {
namespace {

constexpr std::string_view kStandardError = "stderr";

/// Keeps a write from ending the process, whatever the program has made of these signals: one to a
/// pipe without a reader, and one beyond the largest size that files may have. They are held back
/// in this thread, and taken off if they came.
class WithoutSignals {
 public:
  WithoutSignals() {
    ::sigemptyset(&held_back_);
    sigset_t pending;
    ::sigpending(&pending);
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      // One that was pending before is not ours to take off.
      if (::sigismember(&pending, signal) != 1) ::sigaddset(&held_back_, signal);
    }
    ::pthread_sigmask(SIG_BLOCK, &held_back_, &before_);
  }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;
  ~WithoutSignals() {
    const timespec at_once{};
    while (::sigtimedwait(&held_back_, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t held_back_{};
  sigset_t before_{};
};

/// Standard error is shared with whoever started the program, so it cannot be made not blocking; a
/// pipe or terminal can be opened once more, and that can. Not valid: it is something else (of a
/// file the position would not be shared any more), or it cannot be opened.
FileDescriptor standard_error_of_our_own() {
  struct stat status{};
  if (::fstat(STDERR_FILENO, &status) != 0) return {};
  if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) return {};
  return FileDescriptor(
      ::open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
}

/// Writes what can be written at once.
ssize_t write_now(int file, bool not_blocking, std::string_view text) {
  ssize_t written = 0;
  do {
    if (not_blocking) {
      written = ::write(file, text.data(), text.size());
      continue;
    }
    written = ::send(file, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written >= 0 || errno != ENOTSOCK) continue;
    pollfd asked{.fd = file, .events = POLLOUT, .revents = 0};
    errno = EAGAIN;
    written = ::poll(&asked, 1, 0) == 1 ? ::write(file, text.data(), text.size()) : -1;
  } while (written < 0 && errno == EINTR);
  return written;
}

}  // namespace

std::expected<LogFile, Error> LogFile::open(const std::string& name) {
  LogFile log(name);
  if (auto opened = log.reopen(); !opened) return std::unexpected(opened.error());
  return log;
}

std::expected<void, Error> LogFile::reopen() {
  if (name_ == kStandardError) {
    file_ = standard_error_of_our_own();
    return {};
  }
  // Not blocking: a FIFO that nobody reads must not stop the server.
  FileDescriptor file(
      ::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640));
  if (!file.valid()) {
    return std::unexpected(Error{fmt::format("the log {} cannot be opened: {}", name_,
                                             std::generic_category().message(errno))});
  }
  file_ = std::move(file);
  torn_ = false;
  return {};
}

bool LogFile::write(std::string_view line) {
  const WithoutSignals guard;
  const int file = file_.valid() ? file_.get() : STDERR_FILENO;
  const auto all_of = [&](std::string_view text) {
    const ssize_t written = write_now(file, file_.valid(), text);
    if (std::cmp_equal(written, text.size())) return true;
    error_ = written < 0 ? errno : ENOSPC;
    torn_ = torn_ || written > 0;
    return false;
  };
  if (torn_) {
    if (!all_of("\n")) return false;
    torn_ = false;
  }
  return all_of(line);
}

std::string LogFile::what_failed() const { return std::generic_category().message(error_); }

}  // namespace tidegate::posix
