// The path that rules are matched against. No spelling of a path may dodge its rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// The readings of a request target.
struct PathReadings {
  /// Decoded once and wholly, `//` merged, `/./` and `/../` resolved, query and fragment dropped,
  /// no trailing slash ("/" alone stays). Empty: the target does not begin with "/" and is no
  /// absolute URI, so it matches only the default rule.
  std::string path;
  /// The other reading, where an application might route differently (an encoded slash, a backslash,
  /// NUL, a ;parameter, a bad escape): the literal text, cut at NUL, without the parameter.
  std::optional<std::string> literal;
};

/// Never fails: whatever came in is read somehow. Reuses the memory of `out`.
void read_path(std::string_view target, PathReadings& out);

}  // namespace tidegate
