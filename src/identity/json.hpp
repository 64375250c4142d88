// JSON as tokens and key sets have it, read strictly: what two parsers could read differently is
// refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate {

struct JsonMember;

struct JsonValue {
  enum class Type : std::uint8_t { null, boolean, number, string, array, object };
  Type type = Type::null;
  std::string text;                 ///< of a string, UTF-8; else as it is written
  std::vector<JsonValue> items;     ///< of an array
  std::vector<JsonMember> members;  ///< of an object; names are unique

  /// The member of that name, or null.
  [[nodiscard]] const JsonValue* find(std::string_view name) const;
  /// The text, if this is a string; else null.
  [[nodiscard]] bool is_true() const { return type == Type::boolean && text == "true"; }
  [[nodiscard]] const std::string* string() const { return type == Type::string ? &text : nullptr; }
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

/// Arrays and objects within each other.
inline constexpr std::size_t kMaxJsonDepth = 16;

/// RFC 8259 to the letter, and besides: no name twice in an object, however it is spelt; UTF-8 and
/// whole surrogate pairs only; nothing behind the value; at most kMaxJsonDepth deep. The error says
/// what is wrong and at which byte.
[[nodiscard]] std::expected<JsonValue, Error> parse_json(std::string_view text);

}  // namespace tidegate
