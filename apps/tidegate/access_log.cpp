// replay --access-log: reads a log from a file or a pipe, and shows how far it has come.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "apps/tidegate/commands.hpp"
#include "engine/access_replay.hpp"

namespace tidegate::command {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

/// A bar on a terminal; nothing where standard error is none. Drawn a few times a second.
class Progress {
 public:
  explicit Progress(std::FILE* input) : shown_(::isatty(STDERR_FILENO) == 1) {
    struct stat status{};
    if (::fstat(::fileno(input), &status) == 0 && S_ISREG(status.st_mode)) {
      size_ = static_cast<std::uint64_t>(status.st_size);
    }
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
  }

  void reached(std::uint64_t bytes, std::uint64_t lines) {
    if (!shown_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < kEvery) return;
    last_ = now;
    drawn_ = true;
    if (size_ == 0) {  // of a pipe nobody knows the end
      fmt::print(stderr, "\r{} lines\033[K", lines);
      return;
    }
    const std::uint64_t done = std::min(bytes, size_);
    fmt::print(stderr, "\r[{:<{}}] {:3}%  {} lines\033[K",
               std::string(done * kBarColumns / size_, '#'), kBarColumns, done * 100 / size_,
               lines);
  }

 private:
  static constexpr auto kEvery = std::chrono::milliseconds(100);
  static constexpr std::size_t kBarColumns = 40;

  bool shown_;
  bool drawn_ = false;
  std::uint64_t size_ = 0;
  std::chrono::steady_clock::time_point last_;
};

/// Cuts what is read into lines. Of a line that is longer than any can be, only the beginning is
/// kept.
class Lines {
 public:
  explicit Lines(AccessReplay& replay) : replay_(replay) {}

  void take(std::string_view text) {
    for (;;) {
      const std::size_t end = text.find('\n');
      const std::string_view piece = text.substr(0, end);
      if (end == std::string_view::npos) return keep(piece);
      if (begun_.empty()) {
        replay_.line(piece);
      } else {
        keep(piece);
        finish();
      }
      text.remove_prefix(end + 1);
    }
  }
  /// The last line may have no newline.
  void finish() {
    if (begun_.empty()) return;
    replay_.line(begun_);
    begun_.clear();
  }

 private:
  void keep(std::string_view piece) {
    begun_ +=
        piece.substr(0, kMaxAccessLineBytes + 1 - std::min(begun_.size(), kMaxAccessLineBytes + 1));
  }

  AccessReplay& replay_;
  std::string begun_;
};

struct Close {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};
using File = std::unique_ptr<std::FILE, Close>;

int complain(std::string_view name) {
  fmt::print(stderr, "{}: {}\n", name, std::generic_category().message(errno));
  return kNo;
}

/// Reads all of a log. 0, or the error that ended it.
int read(std::FILE* input, AccessReplay& replay) {
  Progress progress(input);
  Lines lines(replay);
  std::vector<char> buffer(kReadBytes);
  std::uint64_t bytes = 0;
  for (;;) {
    errno = 0;
    const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), input);
    if (size == 0) break;
    lines.take({buffer.data(), size});
    bytes += size;
    progress.reached(bytes, replay.lines());
  }
  if (std::ferror(input) != 0) return errno;
  lines.finish();
  replay.finish();
  return 0;
}

}  // namespace

int replay_access_log(const ConfigPath& config, const AccessLogOptions& options) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  std::optional<LoadedConfig> other;
  if (options.compare) {
    other = load_or_complain(options.compare);
    if (!other) return kNo;
  }
  const bool standard_input = options.log == "-";
  const File input(standard_input ? stdin : std::fopen(options.log.c_str(), "re"));
  if (!input) return complain(options.log);
  auto replay = AccessReplay::create(loaded->config, other ? &other->config : nullptr);
  if (!replay) {
    fmt::print(stderr, "{}\n", replay.error().message);
    return kNo;
  }
  if (const int failed = read(input.get(), *replay); failed != 0) {
    errno = failed;
    return complain(options.log);
  }
  fmt::print("{}", report(*replay, options.top));
  if (std::fflush(stdout) != 0) return complain("standard output");
  if (replay->decided() != 0) return kFine;
  fmt::print(stderr, "{}: there is no request in it\n", options.log);
  return kNo;
}

}  // namespace tidegate::command
