// The path that rules are matched against. No spelling of a path may dodge its rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

/// The readings of a request target. Each is canonical: it begins with "/", has no empty segments
/// and no "." or "..", and no slash at the end ("/" alone stays).
///
/// Routers differ in how they read an encoded slash, a backslash, NUL, a ;parameter or a bad
/// escape, and we cannot know which one stands behind us. A path with one of these has further
/// readings, and the request is charged to the rules of all of them. For "/%61/b%2Fc;x/d":
///
///   path        /a/b/c;x/d     decoded first, then cut into segments        FastAPI, nginx
///   literal     /%61/b%2Fc/d   not decoded                                  Express, WHATWG URL
///   by_segment  /a/b%2Fc/d     cut into segments first, each then decoded   Go, Rails, servlets
struct PathReadings {
  /// Decoded once and wholly; a bad escape stands for itself. Empty: the target does not begin with
  /// "/" and is no absolute URI, so it matches only the default rule.
  std::string path;
  /// The literal text, cut at NUL, without ;parameters, a backslash read as a slash. Nothing if it
  /// is equal to `path`, or the path has only one reading.
  std::optional<std::string> literal;
  /// Decoded but for "%2F", cut at NUL, without ;parameters. Nothing if it is equal to one of the
  /// others, or the path has only one reading.
  std::optional<std::string> by_segment;
};

/// Reads the target of a request line as received. Query and fragment are dropped; of an absolute
/// URI ("http://host/a") the path counts. Never fails: whatever came in is read somehow. Takes time
/// linear in the target's length; reuses the memory of `out.path`.
void read_path(std::string_view target, PathReadings& out);

}  // namespace tidegate
