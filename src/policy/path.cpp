#include "policy/path.hpp"

#include <algorithm>
#include <cstddef>

namespace tidegate {
namespace {

/// Writes a canonical path. The text always ends with the slash before the segment being written.
class PathWriter {
 public:
  explicit PathWriter(std::string& out) : out_(out) { out_ = '/'; }

  void put(char c) { out_ += c; }
  void put(std::string_view text) { out_ += text; }

  void end_segment() {
    const std::string_view segment = std::string_view(out_).substr(start_);
    if (segment.empty() || segment == ".") {
      out_.resize(start_);
    } else if (segment == "..") {
      // start_ - 1 is the slash that ends the segment to be dropped; the first slash always stays.
      out_.resize(start_ == 1 ? 1 : out_.rfind('/', start_ - 2) + 1);
    } else {
      out_ += '/';
    }
    start_ = out_.size();
  }

  void finish() {
    end_segment();
    if (out_.size() > 1) out_.pop_back();
  }

 private:
  std::string& out_;
  std::size_t start_ = 1;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// One character of a path: a byte, or an escape that stands for one.
struct Character {
  char value;
  std::string_view text;  // as it was written
  bool bad_escape = false;

  [[nodiscard]] bool escaped() const { return text.size() == 3; }
};

/// Takes the next character off `rest`, which is not empty.
Character take_character(std::string_view& rest) {
  Character c{rest.front(), rest.substr(0, 1)};
  if (c.value == '%') {
    const int high = rest.size() > 2 ? hex_digit(rest[1]) : -1;
    const int low = rest.size() > 2 ? hex_digit(rest[2]) : -1;
    c.bad_escape = high < 0 || low < 0;
    if (!c.bad_escape) c = {static_cast<char>(high * 16 + low), rest.substr(0, 3)};
  }
  rest.remove_prefix(c.text.size());
  return c;
}

/// Decodes first. Returns whether the path has further readings.
bool read_decoded(std::string_view text, std::string& out) {
  PathWriter writer(out);
  bool ambiguous = false;
  while (!text.empty()) {
    const Character c = take_character(text);
    ambiguous |= c.bad_escape || c.value == '\\' || c.value == ';' || c.value == '\0' ||
                 (c.value == '/' && c.escaped());
    if (c.value == '/') {
      writer.end_segment();
    } else {
      writer.put(c.value);
    }
  }
  writer.finish();
  return ambiguous;
}

/// What the two readings have in common that cut before they decode: NUL ends the path, a
/// ;parameter ends with its segment. `is_slash` says what else does; `write` writes any other
/// character.
template <class IsSlash, class Write>
void read_cut(std::string_view text, std::string& out, IsSlash is_slash, Write write) {
  PathWriter writer(out);
  bool in_parameter = false;
  while (!text.empty()) {
    const Character c = take_character(text);
    if (c.value == '\0') break;
    if (is_slash(c)) {
      writer.end_segment();
      in_parameter = false;
    } else if (c.value == ';') {
      in_parameter = true;
    } else if (!in_parameter) {
      write(c, writer);
    }
  }
  writer.finish();
}

void read_literal(std::string_view text, std::string& out) {
  read_cut(
      text, out,
      [](const Character& c) { return c.value == '\\' || (c.value == '/' && !c.escaped()); },
      [](const Character& c, PathWriter& writer) {
        // Who leaves all other escapes alone still takes "%2e%2e" for "..".
        writer.put(c.value == '.' ? std::string_view(".") : c.text);
      });
}

void read_by_segment(std::string_view text, std::string& out) {
  read_cut(
      text, out, [](const Character& c) { return c.value == '/' && !c.escaped(); },
      [](const Character& c, PathWriter& writer) {
        if (c.value == '/') {
          writer.put("%2F");
        } else {
          writer.put(c.value);
        }
      });
}

/// Most paths are canonical as they come; telling so is cheaper than reading them. The length of
/// the target's path if it is one of those, else 0.
std::size_t canonical_length(std::string_view target) {
  if (!target.starts_with('/')) return 0;
  char previous = 'x';
  std::size_t length = 0;
  for (const char c : target) {
    if (c == '?' || c == '#') break;
    if (c == '%' || c == '\\' || c == ';' || c == '\0') return 0;
    if (previous == '/' && (c == '/' || c == '.')) return 0;
    previous = c;
    ++length;
  }
  return previous != '/' || length == 1 ? length : 0;
}

/// Drops scheme and authority. False if the target is neither a path nor an absolute URI.
bool drop_authority(std::string_view& target) {
  if (target.starts_with('/')) return true;
  const std::size_t colon = target.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto in_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  };
  if (!std::ranges::all_of(target.substr(0, colon), in_scheme)) return false;
  target.remove_prefix(colon + 3);
  // A backslash ends an authority too: some take it for a slash, and to the others it is no host.
  target.remove_prefix(std::min(target.size(), target.find_first_of("/\\")));
  return true;
}

}  // namespace

void read_path(std::string_view target, PathReadings& out) {
  out.path.clear();
  out.literal.reset();
  out.by_segment.reset();
  if (const std::size_t length = canonical_length(target); length != 0) {
    out.path = target.substr(0, length);
    return;
  }
  target = target.substr(0, target.find_first_of("?#"));
  if (!drop_authority(target)) return;
  if (!read_decoded(target, out.path)) return;

  read_literal(target, out.literal.emplace());
  read_by_segment(target, out.by_segment.emplace());
  if (out.by_segment == out.path || out.by_segment == out.literal) out.by_segment.reset();
  if (out.literal == out.path) out.literal.reset();
}

}  // namespace tidegate
