// Lines of access logs: whatever comes in, it is decided or skipped, and counted once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/access_replay.hpp"

namespace {

tidegate::RateLimitConfig make_config(std::uint64_t limit) {
  tidegate::RateLimitConfig config;
  config.memory.capacity = 1'000;
  config.memory.log_slots = 1'000;
  config.default_limit.windows.front().limit = limit;
  return config;
}

void check_line(std::string_view text) {
  tidegate::AccessLine line;
  if (tidegate::read_access_line(text, line)) return;
  if (line.method.empty() || line.target.empty()) std::abort();
  if (line.status > 999) std::abort();
  if (line.target.size() + line.user_agent.size() > text.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // One for all inputs: to make its tables takes far longer than to read a line.
  static const tidegate::RateLimitConfig after = make_config(3);
  static auto replay = tidegate::AccessReplay::create(make_config(2), &after).value();
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    check_line(text);
    replay.line(text);
    rest.remove_prefix(std::min(text.size() + 1, rest.size()));
  }
  replay.finish();
  std::uint64_t skipped = 0;
  for (std::size_t i = 0; i < tidegate::kAccessLineFaults; ++i) {
    skipped += replay.skipped(static_cast<tidegate::AccessLineFault>(i)).lines;
  }
  if (replay.decided() + skipped != replay.lines()) std::abort();
  if (replay.clients().size() > 1'000) return 0;  // a report would take too long
  // One line of text for one line of the report, whatever the clients are called.
  for (const char c : report(replay, 10)) {
    if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) std::abort();
  }
  return 0;
}
