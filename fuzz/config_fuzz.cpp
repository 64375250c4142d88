// Any text as a configuration: faults or a valid configuration, never a crash.
//
// The input is TOML, then perhaps lines "NAME=VALUE" behind a line "---": the environment.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tidegate/config.hpp"

namespace {

constexpr std::string_view kMark = "\n---\n";

tidegate::Environment read_environment(std::string_view text) {
  tidegate::Environment environment;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos) {
      environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return environment;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t mark = input.find(kMark);
  const auto environment = mark == std::string_view::npos
                               ? tidegate::Environment{}
                               : read_environment(input.substr(mark + kMark.size()));
  const auto loaded = tidegate::parse_config(input.substr(0, mark), "fuzz.toml", environment);
  if (loaded) {
    require(tidegate::validate(loaded->config).empty());
    for (const std::string& warning : loaded->warnings) {
      require(warning.find('\n') == std::string::npos);
    }
  } else {
    require(!loaded.error().empty());
    for (const tidegate::Fault& fault : loaded.error()) {
      require(!fault.message.empty() && !fault.file.empty());
      require(to_string(fault).find('\n') == std::string::npos);
    }
  }
  return 0;
}
