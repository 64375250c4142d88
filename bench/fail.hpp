// How a benchmark ends that cannot measure what it is for.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tidegate::bench {

[[noreturn]] inline void fail(std::string_view why) {
  fmt::print(stderr, "{}\n", why);
  std::_Exit(1);
}

}  // namespace tidegate::bench
