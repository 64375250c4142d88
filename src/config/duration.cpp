#include "config/duration.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

namespace tidegate::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t us;
};
constexpr std::array kUnits{Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000},
                            Unit{"m", 60'000'000}, Unit{"s", 1'000'000}, Unit{"ms", 1'000}};

std::chrono::microseconds times(std::uint64_t count, std::int64_t unit_us) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  if (count > static_cast<std::uint64_t>(kMost / unit_us)) return std::chrono::microseconds(kMost);
  return std::chrono::microseconds(static_cast<std::int64_t>(count) * unit_us);
}

}  // namespace

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, count);
    if (error == std::errc::result_out_of_range) count = std::numeric_limits<std::uint64_t>::max();
    return times(count, unit.us);
  }
  return std::nullopt;
}

std::optional<std::chrono::microseconds> duration_from_seconds(std::int64_t seconds) {
  if (seconds < 0) return std::nullopt;
  return times(static_cast<std::uint64_t>(seconds), 1'000'000);
}

std::string format_duration(std::chrono::microseconds duration) {
  for (const Unit& unit : kUnits) {
    // A single minute is 60s: that is how limits are written, and 1m reads like a month.
    const std::int64_t least = unit.name == "m" ? 2 * unit.us : unit.us;
    if (duration.count() >= least && duration.count() % unit.us == 0) {
      return fmt::format("{}{}", duration.count() / unit.us, unit.name);
    }
  }
  return fmt::format("{}ms", duration.count() / 1'000);
}

}  // namespace tidegate::config
