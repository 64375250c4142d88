// Request targets: whatever comes in, its readings are canonical, and reading or matching them
// again changes nothing. The first line is a pattern, the rest a target.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "policy/matcher.hpp"
#include "policy/path.hpp"
#include "policy/pattern.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void require_canonical(std::string_view path) {
  require(path.starts_with('/'));
  if (path.size() == 1) return;
  std::string_view rest = path.substr(1);
  while (true) {
    const bool last = rest.find('/') == std::string_view::npos;
    const std::string_view segment = tidegate::take_segment(rest);
    require(!segment.empty() && segment != "." && segment != "..");
    if (last) return;
  }
}

/// What any reading may do to a target is to lose, not to invent: no reading is longer than its
/// target, but for the slash it may gain.
void require_bounded(std::string_view path, std::string_view target) {
  require(path.size() <= target.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line_end = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, line_end);
  const std::string_view target = input.substr(std::min(line_end + 1, input.size()));

  tidegate::PathReadings readings;
  tidegate::read_path(target, readings);
  if (readings.path.empty()) {
    require(!target.starts_with('/') && !readings.literal && !readings.by_segment);
    return 0;
  }
  for (const std::string& path :
       {readings.path, readings.literal.value_or("/"), readings.by_segment.value_or("/")}) {
    require_canonical(path);
    require_bounded(path, target);
  }
  if (readings.path.find_first_of(std::string_view("%\\;?#\0", 6)) == std::string::npos) {
    tidegate::PathReadings again;
    tidegate::read_path(readings.path, again);
    require(again.path == readings.path && !again.literal && !again.by_segment);
  }

  if (!tidegate::validate_pattern(pattern).empty()) return 0;
  const tidegate::EndpointMatcher matcher(
      {{std::string(pattern), {}, 0, 0}, {"/**", {}, 0, 1}, {"/*/b", {"GET"}, 0, 2}});
  const std::uint32_t rule = matcher.match(readings.path, "GET");
  require(rule != tidegate::EndpointMatcher::kNoRule);
  require(matcher.match(readings.path, "GET") == rule);
  return 0;
}
