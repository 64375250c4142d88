#include "config/document.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/nesting.hpp"

#define TOML_HEADER_ONLY 1  // no shared library to carry along
#define TOML_EXCEPTIONS 0
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

namespace tidegate::config {
namespace {

static_assert(TOML_MAX_NESTED_VALUES == kMaxNestedValues);

constexpr std::size_t kShown = 80;  // bytes of a value or key that a message repeats
constexpr std::size_t kShownOfParser = 400;
constexpr std::string_view kBareNonAscii =
    "a character outside ASCII stands outside of quotes; keys and text that need it are quoted";

/// `text` as one line: control characters escaped, cut at `most` bytes between characters.
std::string one_line(std::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (i >= most && (c & 0xc0) != 0x80) return out + "...";
    if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += text[i];
    }
  }
  return out;
}

/// True if the line of `at` ends before or at its column. The parser counts characters, so a line
/// of other than ASCII is longer in bytes: then the answer may be false, and is only less helpful.
bool at_end_of_line(std::string_view toml, const toml::source_position& at) {
  for (std::uint32_t line = 1; line < at.line; ++line) {
    const std::size_t end = toml.find('\n');
    if (end == std::string_view::npos) return false;
    toml.remove_prefix(end + 1);
  }
  return toml.substr(0, toml.find_first_of("\r\n")).size() < at.column;
}

/// What the parser said of `toml`, in words of somebody who does not know the grammar where the
/// mistake is a common one: quotes forgotten, around a value or behind it.
std::string parser_message(const toml::parse_error& error, std::string_view toml) {
  const std::string_view said = error.description();
  const auto about = [&](std::string_view what) {
    return said.find(what) != std::string_view::npos;
  };
  if (about("string") && about("control characters") &&
      at_end_of_line(toml, error.source().begin)) {
    return "the string is not closed on its line";
  }
  if (about("string: encountered end-of-file")) return "the string is not closed";
  if (about("nested value depth")) {
    return fmt::format("values are nested more than {} deep", kMaxNestedValues);
  }
  const bool no_value = about("parsing boolean") || about("determine value type") ||
                        about("parsing floating-point") || about("integer: expected digit");
  return one_line(said, kShownOfParser) + (no_value ? "; text is written in quotes" : "");
}

Place place_of(const toml::source_region& region, std::string_view file, bool lines) {
  return lines ? Place{file, region.begin.line, region.begin.column} : Place{file, 0, 0};
}

/// Copies toml++'s values into ours. Recursion is bounded: see nesting.hpp.
class Converter {
 public:
  Converter(std::string_view file, bool lines) : file_(file), lines_(lines) {}

  [[nodiscard]] Node convert(const toml::node& from) const {
    Node to{.place = place_of(from.source(), file_, lines_), .value = Date{}};
    if (const auto* boolean = from.as_boolean()) to.value = boolean->get();
    if (const auto* integer = from.as_integer()) to.value = integer->get();
    if (const auto* real = from.as_floating_point()) to.value = real->get();
    if (const auto* text = from.as_string()) to.value = text->get();
    if (const auto* array = from.as_array()) {
      Array items;
      items.reserve(array->size());
      for (const toml::node& item : *array) items.push_back(convert(item));
      to.value = std::move(items);
    }
    if (const auto* table = from.as_table()) to.value = convert_table(*table);
    return to;
  }

  [[nodiscard]] Table convert_table(const toml::table& from) const {
    Table to;
    to.reserve(from.size());
    for (const auto& [key, value] : from) {
      to.push_back({std::string{key.str()}, place_of(key.source(), file_, lines_), convert(value)});
    }
    std::ranges::stable_sort(
        to, {}, [](const Entry& entry) { return std::pair{entry.place.line, entry.place.column}; });
    return to;
  }

 private:
  std::string_view file_;
  bool lines_;
};

}  // namespace

const Node* find(const Table& table, std::string_view key) {
  const auto at = std::ranges::find(table, key, &Entry::key);
  return at == table.end() ? nullptr : &at->value;
}

Node* find(Table& table, std::string_view key) {
  const auto at = std::ranges::find(table, key, &Entry::key);
  return at == table.end() ? nullptr : &at->value;
}

std::string shown(std::string_view text) {
  std::string escaped;
  for (const char c : text.substr(0, 2 * kShown)) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + one_line(escaped, kShown) + '"';
}

std::string describe(const Node& node) {
  struct Words {
    std::string operator()(const Date&) const { return "a date or time"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::int64_t value) const {
      return fmt::format("the integer {}", value);
    }
    std::string operator()(double value) const { return fmt::format("the number {:g}", value); }
    std::string operator()(const std::string& value) const { return "the string " + shown(value); }
    std::string operator()(const Array&) const { return "an array"; }
    std::string operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Words{}, node.value);
}

std::string path_key(std::string_view key) {
  const bool bare = !key.empty() && key.size() <= kShown && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string{key} : shown(key);
}

std::expected<Table, Fault> parse_document(std::string_view toml, std::string_view file) {
  const auto fault = [&](std::uint32_t line, std::uint32_t column, std::string message) {
    return std::unexpected(Fault{std::string{file}, line, column, "", std::move(message)});
  };
  if (const auto at = find_long_key(toml)) {
    return fault(
        at->line, at->column,
        fmt::format("found a key of more than {0} parts, allowed: at most {0}", kMaxKeyParts));
  }
  if (const auto at = find_bare_non_ascii(toml)) {
    return fault(at->line, at->column, fmt::format("not TOML: {}", kBareNonAscii));
  }
  const toml::parse_result result = toml::parse(toml);
  if (!result) {
    const toml::parse_error& error = result.error();
    return fault(error.source().begin.line, error.source().begin.column,
                 fmt::format("not TOML: {}", parser_message(error, toml)));
  }
  return Converter(file, true).convert_table(result.table());
}

std::expected<Node, std::string> parse_value(std::string_view toml, std::string_view file) {
  if (find_long_key(toml)) return std::unexpected("it has a key of too many parts");
  if (find_bare_non_ascii(toml)) return std::unexpected(std::string{kBareNonAscii});
  const std::string text = "value = " + std::string{toml};
  const toml::parse_result result = toml::parse(text);
  if (!result) return std::unexpected(parser_message(result.error(), text));
  if (result.table().size() != 1) return std::unexpected("it is more than one value");
  return Converter(file, false).convert(*result.table().get("value"));
}

}  // namespace tidegate::config
