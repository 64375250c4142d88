#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/checks.hpp"
#include "config/suggest.hpp"
#include "config/tables.hpp"

namespace tidegate::config {
namespace {

/// `|` would end a cell of a Markdown table, `<` begin a tag and `*` emphasis.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*') out += '\\';
    out += c;
  }
  return out;
}

/// How far `key` is from a key that is known here. Who writes "limit" means "default_limit": that
/// counts as one edit.
std::size_t distance_to(std::string_view key, std::string_view known) {
  const std::size_t whole = edit_distance(key, known);
  const std::size_t underscore = known.find('_');
  if (underscore == std::string_view::npos) return whole;
  return std::min(whole, 1 + edit_distance(key, known.substr(underscore + 1)));
}

}  // namespace

const std::vector<KeyDoc>& known_keys() {
  static const std::vector<KeyDoc> keys = docs_below("", root_fields());
  return keys;
}

std::string environment_name(std::string_view path) {
  std::string name = "RATE_LIMIT_";
  for (const char c : path) {
    if (c == '.') {
      name += "__";
    } else {
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return name;
}

std::string unknown_key(std::string_view key, std::span<const std::string> siblings) {
  const auto near = std::ranges::min_element(
      siblings, {}, [&](const std::string& sibling) { return distance_to(key, sibling); });
  if (near == siblings.end() || distance_to(key, *near) > 1) {
    const auto elsewhere = std::ranges::find_if(known_keys(), [&](const KeyDoc& doc) {
      return doc.path.substr(doc.path.rfind('.') + 1) == key;
    });
    if (elsewhere != known_keys().end()) {
      return fmt::format("unknown key here, did you mean {}.{}?", kRoot, elsewhere->path);
    }
  }
  return near == siblings.end() ? "unknown key"
                                : fmt::format("unknown key, did you mean \"{}\"?", *near);
}

std::string keys_as_markdown() {
  std::string out = "| key | type | default | allowed | what it does |\n|---|---|---|---|---|\n";
  for (const KeyDoc& doc : known_keys()) {
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", doc.path, doc.type, cell(doc.standard),
                       cell(doc.allowed), cell(doc.about));
  }
  return out;
}

}  // namespace tidegate::config
