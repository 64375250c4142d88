#include "engine/window_words.hpp"

#include <fmt/format.h>

#include <iterator>

#include "tidegate/config.hpp"

namespace tidegate {

std::string seconds_or_millis(std::uint64_t us) {
  return us % 1'000'000 == 0 ? fmt::format("{} s", us / 1'000'000)
                             : fmt::format("{} ms", us / 1'000);
}

std::string describe(const Window& window) {
  std::string out =
      fmt::format("{} request{} per {}, {}", window.limit, window.limit == 1 ? "" : "s",
                  seconds_or_millis(window.window_us), to_string(window.algorithm));
  if (window.capacity != window.limit) {
    fmt::format_to(std::back_inserter(out), ", burst {}", window.capacity);
  }
  return out;
}

std::string describe_bound(const Window& window) {
  const std::string per = seconds_or_millis(window.window_us);
  if (window.limit == 0) return "maintenance, everything is rejected";
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return fmt::format("at most {} at once, and what was taken comes back at {} per {}",
                         window.capacity, window.limit, per);
    case Algorithm::sliding_window:
      return fmt::format("at most {} in any {}", window.limit, per);
    case Algorithm::sliding_window_counter:
      return fmt::format("at most {} in any {}, and in the long run {} per {}", 2 * window.limit,
                         per, window.limit, per);
    case Algorithm::fixed_window:
      return fmt::format("at most {} in each {}, counted from 1970-01-01T00:00Z on", window.limit,
                         per);
  }
  return "";
}

}  // namespace tidegate
