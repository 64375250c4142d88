#include "policy/pattern.hpp"

namespace tidegate {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool has_escape(std::string_view text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    if (text[i] == '%' && is_hex(text[i + 1]) && is_hex(text[i + 2])) return true;
  }
  return false;
}

std::string validate_segment(std::string_view segment, bool last) {
  if (segment.empty()) return "an empty segment (//) can never match: slashes are merged in paths";
  if (segment == "." || segment == "..") {
    return "the segment \"" + std::string(segment) +
           "\" can never match: paths are resolved before they are matched";
  }
  if (segment == "*") return "";
  if (segment == "**") return last ? "" : "\"**\" may only be the last segment";
  if (segment.find('*') != std::string_view::npos) {
    return "\"*\" stands for a whole segment and cannot be part of one, as in \"" +
           std::string(segment) + "\"";
  }
  return "";
}

}  // namespace

std::string validate_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/')) return "a pattern begins with \"/\"";
  if (pattern.find_first_of("?#") != std::string_view::npos) {
    return "a query or fragment (\"?\", \"#\") can never match: only the path is matched";
  }
  if (has_escape(pattern)) {
    return "an escape (%XX) can never match: paths are decoded first, so write the character "
           "itself";
  }
  for (const char c : pattern) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      return "a control character in a pattern can only be a mistake";
    }
  }

  std::string_view rest = pattern.substr(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty()) return pattern == "/" ? "" : validate_segment("", true);
  for (std::size_t count = 1;; ++count) {
    if (count > kMaxPatternSegments) {
      return "a pattern has at most " + std::to_string(kMaxPatternSegments) + " segments";
    }
    const bool last = rest.find('/') == std::string_view::npos;
    std::string fault = validate_segment(take_segment(rest), last);
    if (last || !fault.empty()) return fault;
  }
}

}  // namespace tidegate
