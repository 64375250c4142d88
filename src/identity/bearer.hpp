// The token that a request carries.
#pragma once

#include <string_view>

#include "core/ascii.hpp"
#include "identity/header.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

struct Bearer {
  std::string_view token;                        ///< "": there is none, and `verdict` says why
  TokenVerdict verdict = TokenVerdict::missing;  ///< missing, ambiguous or malformed
};

/// Of several lines that differ nobody knows which one the application takes: then there is none.
/// Other schemes are none of ours.
[[nodiscard]] inline Bearer read_bearer(const HeaderLines* headers) {
  constexpr std::string_view kScheme = "Bearer";
  const HeaderValue value = read_header(headers, "Authorization");
  if (value.state == HeaderState::contradictory) return {"", TokenVerdict::ambiguous};
  if (value.state != HeaderState::present) return {"", TokenVerdict::missing};
  const std::size_t end = value.text.find(' ');
  if (!equal_ignoring_case(value.text.substr(0, end), kScheme)) return {"", TokenVerdict::missing};
  if (end == std::string_view::npos) return {"", TokenVerdict::malformed};
  return {trim_blanks(value.text.substr(end)), TokenVerdict::none};
}

[[nodiscard]] inline bool names_a_client(TokenVerdict verdict) {
  return verdict == TokenVerdict::valid || verdict == TokenVerdict::cached;
}

}  // namespace tidegate
