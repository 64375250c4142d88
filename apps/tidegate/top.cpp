// top: a live view of the segment.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "adapters/posix/look.hpp"
#include "apps/tidegate/commands.hpp"
#include "apps/tidegate/terminal.hpp"
#include "observe/top_view.hpp"

namespace tidegate::command {
namespace {

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? "" : value;
}

/// A terminal that understands more than lines.
bool can_draw() { return ::isatty(STDOUT_FILENO) == 1 && variable("TERM") != "dumb"; }

class Top {
 public:
  explicit Top(const LoadedConfig& loaded)
      : loaded_(loaded),
        title_(fmt::format("{}@{}", loaded.config.memory.segment, loaded.config.name_space)) {}

  /// Looks, and keeps what was seen before for the rates.
  std::expected<void, Error> look() {
    auto seen = posix::look(loaded_);
    if (!seen) return std::unexpected(seen.error());
    before_ = std::move(now_);
    now_ = std::move(*seen);
    return {};
  }

  [[nodiscard]] std::string text(std::size_t width, std::size_t height, bool color) const {
    return top_text(*now_, before_ ? &*before_ : nullptr,
                    {.title = title_, .width = width, .height = height, .color = color});
  }

 private:
  const LoadedConfig& loaded_;
  std::string title_;
  std::optional<Status> before_;
  std::optional<Status> now_;
};

/// Text after text, for a pipe or a file.
int print(Top& top, const TopOptions& options) {
  for (bool again = false;; again = true) {
    if (const auto looked = top.look(); !looked) {
      fmt::print(stderr, "{}\n", looked.error().message);
      return kNo;
    }
    const std::string text = (again ? "\n" : "") + top.text(80, 0, false);
    // Whoever reads it may have gone.
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) return kFine;
    if (options.once || !options.interval) return kFine;
    std::this_thread::sleep_for(*options.interval);
  }
}

int draw(Top& top, std::chrono::milliseconds interval) {
  const bool color = variable("NO_COLOR").empty();
  int signal = 0;
  {
    Terminal terminal;
    std::string trouble;
    for (auto event = Terminal::Event::elapsed; event != Terminal::Event::quit;
         event = terminal.wait(interval)) {
      if (event == Terminal::Event::elapsed) {
        const auto looked = top.look();
        trouble = looked ? "" : looked.error().message + "\n(looking again; q quits)\n";
      }
      const auto [width, height] = Terminal::size();
      if (!Terminal::draw(trouble.empty() ? top.text(width, height, color) : trouble)) break;
    }
    signal = terminal.ended_by();
  }
  // With the terminal as it was, end as the signal would have ended us.
  if (signal != 0) ::raise(signal);
  return kFine;
}

}  // namespace

int top(const ConfigPath& config, const TopOptions& options) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  Top top(*loaded);
  if (options.once || !can_draw()) return print(top, options);
  // What is wrong at the start is told on the screen that stays.
  if (const auto looked = top.look(); !looked) {
    fmt::print(stderr, "{}\n", looked.error().message);
    return kNo;
  }
  return draw(top, options.interval.value_or(std::chrono::seconds(1)));
}

}  // namespace tidegate::command
