// Decisions for the tests of this room.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tidegate/response.hpp"

namespace tidegate {

inline constexpr std::uint64_t kWall = 1'800'000'000'000'000;

inline WindowState window_state(std::string_view rule, std::uint64_t limit,
                                std::uint64_t window_us) {
  WindowState window;
  window.rule = rule;
  window.limit = limit;
  window.window_us = window_us;
  return window;
}

/// 100 a minute, of which 50 are left, whole again in 59.000001 s, one more in 30 s.
inline Decision allowed_decision() {
  Decision decision;
  decision.path = "/api/v1/hello";
  WindowState window = window_state("default", 100, 60'000'000);
  window.remaining = 50;
  window.reset_us = 59'000'001;
  window.more_after_us = 29'999'999;
  decision.windows = {window};
  return decision;
}

/// The same with nothing left, to be tried again in 29.5 s.
inline Decision denied_decision() {
  Decision decision = allowed_decision();
  decision.outcome = Outcome::denied;
  decision.denial = Denial::rate_limit_exceeded;
  decision.retry_after_us = 29'500'000;
  WindowState& window = decision.windows[0];
  window.remaining = 0;
  window.exceeded = true;
  window.retry_after_us = 29'500'000;
  window.more_after_us = 29'500'000;
  return decision;
}

using Fields = std::map<std::string, std::string, std::less<>>;

inline Fields fields_of(const Decision& decision, const RenderOptions& options = {},
                        std::uint64_t wall_us = kWall) {
  Fields fields;
  add_rate_limit_headers(
      decision, options, wall_us,
      [&](std::string_view name, std::string_view value) { fields.emplace(name, value); });
  return fields;
}

inline std::string body_of(const Decision& decision) {
  std::string body;
  append_rejection_body(decision, body);
  return body;
}

}  // namespace tidegate
