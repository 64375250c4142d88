// Why a request is limited as it is, in plain words.
#pragma once

#include <string>

#include "engine/engine.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// Several lines: which client, which readings of the path, which rules and which windows, and why.
/// Asks no store and takes nothing.
[[nodiscard]] std::string explain(const Policy& policy, const Identifier& identifier,
                                  const Request& request);

/// "100 requests per 60 s, sliding_window_counter" for one window.
[[nodiscard]] std::string describe(const Window& window);

}  // namespace tidegate
