#include "adapters/posix/log_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

namespace tidegate::posix {
namespace {

constexpr std::string_view kStandardError = "stderr";

/// Keeps a write to a pipe without a reader from ending the process, whatever the program has made
/// of SIGPIPE: the signal is held back in this thread, and taken off if it came.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;
  ~WithoutSigpipe() {
    const timespec at_once{};
    if (!was_pending_) ::sigtimedwait(&pipe_, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

/// Whether a line finds room now. Standard error is shared with whoever started the program, so it
/// cannot be made not blocking: a pipe that nobody empties would stop every request.
bool takes_a_line(int file) {
  pollfd asked{.fd = file, .events = POLLOUT, .revents = 0};
  return ::poll(&asked, 1, 0) == 1;
}

}  // namespace

std::expected<LogFile, Error> LogFile::open(const std::string& name) {
  LogFile log(name);
  if (auto opened = log.reopen(); !opened) return std::unexpected(opened.error());
  return log;
}

std::expected<void, Error> LogFile::reopen() {
  if (name_ == kStandardError) return {};
  // Not blocking: a FIFO that nobody reads must not stop the server.
  FileDescriptor file(
      ::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640));
  if (!file.valid()) {
    return std::unexpected(Error{fmt::format("the log {} cannot be opened: {}", name_,
                                             std::generic_category().message(errno))});
  }
  file_ = std::move(file);
  return {};
}

bool LogFile::write(std::string_view line) {
  const WithoutSigpipe guard;
  const int file = file_.valid() ? file_.get() : STDERR_FILENO;
  if (!file_.valid() && !takes_a_line(file)) return false;
  ssize_t written = 0;
  do {
    written = ::write(file, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  return std::cmp_equal(written, line.size());
}

}  // namespace tidegate::posix
