#include "apps/tidegate/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace tidegate::command {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";

bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t bytes = ::write(STDOUT_FILENO, text.data(), text.size());
    if (bytes < 0 && errno != EINTR) return false;
    if (bytes > 0) text.remove_prefix(static_cast<std::size_t>(bytes));
  }
  return true;
}

}  // namespace

Terminal::Terminal() : has_keys_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
  sigset_t signals{};
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH}) {
    ::sigaddset(&signals, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &signals, &signals_before_);
  signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
  enter();
}

Terminal::~Terminal() {
  leave();
  ::close(signals_);
  ::pthread_sigmask(SIG_SETMASK, &signals_before_, nullptr);
}

void Terminal::enter() const {
  if (has_keys_) {
    termios mine = before_;
    mine.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &mine);
  }
  write_all(kEnter);
}

void Terminal::leave() const {
  write_all(kLeave);
  if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

Terminal::Size Terminal::size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {};
  }
  return {size.ws_col, size.ws_row};
}

bool Terminal::draw(std::string_view text) {
  // Line by line and in one write: between two pictures the screen is never empty. A line is
  // cleared before it is written, and with the last one what is below: behind a line that fills its
  // row the cursor still stands on the last character.
  std::string out = "\x1b[H";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    out += text.empty() ? "\x1b[J" : "\x1b[K";
    out += line;
    if (!text.empty()) out += '\n';
  }
  return write_all(out);
}

Terminal::Event Terminal::wait(std::chrono::milliseconds at_most) {
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Event::elapsed;
    std::array<pollfd, 2> waiting{
        {{.fd = signals_, .events = POLLIN, .revents = 0},
         {.fd = has_keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
    if (ready <= 0) continue;
    if (waiting[0].revents != 0) return obey_signal();
    if (asked_to_quit()) return Event::quit;
  }
}

Terminal::Event Terminal::obey_signal() {
  signalfd_siginfo what{};
  if (::read(signals_, &what, sizeof what) != sizeof what) return Event::quit;
  const int signal = static_cast<int>(what.ssi_signo);
  if (signal == SIGWINCH) return Event::resized;
  if (signal == SIGTSTP) {
    leave();
    ::raise(SIGSTOP);  // and goes on here when the shell says so
    enter();
    return Event::resized;
  }
  ended_by_ = signal;
  return Event::quit;
}

bool Terminal::asked_to_quit() {
  char key = 0;
  const ssize_t bytes = ::read(STDIN_FILENO, &key, 1);
  return bytes <= 0 || key == 'q' || key == 'Q';
}

}  // namespace tidegate::command
