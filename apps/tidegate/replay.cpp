#include "engine/replay.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "apps/tidegate/commands.hpp"

namespace tidegate::command {

int replay(const ConfigPath& config, const std::string& backend) {
  if (!backend.empty() && backend != "memory") {
    fmt::print(stderr, "--backend {}: not available in this version; memory is\n", backend);
    return kUsage;
  }
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  auto replay = Replay::create(*loaded);
  if (!replay) {
    fmt::print(stderr, "{}\n", replay.error().message);
    return kNo;
  }

  std::ios::sync_with_stdio(false);
  std::string line;
  std::string out;
  while (std::getline(std::cin, line)) {
    out.clear();
    replay->line(line, out);
    std::cout << out;
  }
  std::cout.flush();
  if (!std::cout) {
    fmt::print(stderr, "the decisions could not be written\n");
    return kNo;
  }
  return kFine;
}

}  // namespace tidegate::command
