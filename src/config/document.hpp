// TOML text as plain values that know where they stand. The only part of the tree that knows
// toml++.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate::config {

/// Where something was written. `file` is a file or the name of an environment variable and is
/// owned by whoever started the parse. Line and column count from 1; 0: no place within it.
struct Place {
  std::string_view file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

struct Entry;
struct Node;

/// Dates and times of day are values of TOML that no key of ours takes.
struct Date {};
using Array = std::vector<Node>;
/// In the order of the text; keys are unique.
using Table = std::vector<Entry>;

struct Node {
  Place place;
  std::variant<Date, bool, std::int64_t, double, std::string, Array, Table> value;

  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&value);
  }
};

struct Entry {
  std::string key;
  Place place;  ///< of the key; `value.place` is that of the value
  Node value;
};

/// The value of `key`, or null.
[[nodiscard]] const Node* find(const Table& table, std::string_view key);
[[nodiscard]] Node* find(Table& table, std::string_view key);

/// What a value is, for a message: `the string "abc"`, `the integer 3`, `an array`. One line, cut
/// where it is long.
[[nodiscard]] std::string describe(const Node& node);

/// `text` as a string of TOML, cut where it is long.
[[nodiscard]] std::string shown(std::string_view text);

/// `key` as it stands in a path: as it is if TOML takes it bare, else quoted and escaped, and cut
/// where it is long.
[[nodiscard]] std::string path_key(std::string_view key);

/// Reads a whole document. What is not TOML is one fault: reading stops there.
[[nodiscard]] std::expected<Table, Fault> parse_document(std::string_view toml,
                                                         std::string_view file);

/// Reads one value (as it stands behind `key =`), named `file` in places, which have no line. The
/// error says what is wrong.
[[nodiscard]] std::expected<Node, std::string> parse_value(std::string_view toml,
                                                           std::string_view file);

}  // namespace tidegate::config
