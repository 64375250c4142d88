// A window in words.
#pragma once

#include <cstdint>
#include <string>

#include "store/charge.hpp"

namespace tidegate {

/// "60 s", or "1500 ms" where that is no whole number of seconds.
[[nodiscard]] std::string seconds_or_millis(std::uint64_t us);

/// "100 requests per 60 s, sliding_window_counter".
[[nodiscard]] std::string describe(const Window& window);

/// What it lets through at most: "at most 200 in any 60 s, and in the long run 100 per 60 s".
[[nodiscard]] std::string describe_bound(const Window& window);

}  // namespace tidegate
