#include "core/strict_json.hpp"

#include <cstdint>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/src.hpp>

namespace tidegate {
namespace {

namespace json = boost::json;

// NOLINTBEGIN(readability-identifier-naming,readability-convert-member-functions-to-static): the
// library says what a handler looks like.
/// Counts the members of objects as they are written; a value holds each name once.
struct MemberCounter {
  using error_code = json::error_code;
  using string_view = json::string_view;
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  std::size_t members = 0;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(string_view, std::size_t, error_code&) { return true; }
  bool on_key(string_view, std::size_t, error_code&) {
    ++members;
    return true;
  }
  bool on_string_part(string_view, std::size_t, error_code&) { return true; }
  bool on_string(string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
  bool on_double(double, string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};
// NOLINTEND(readability-identifier-naming,readability-convert-member-functions-to-static)

/// `value` is nested no deeper than its text was. NOLINTNEXTLINE(misc-no-recursion)
std::size_t count_members(const json::value& value) {
  std::size_t members = 0;
  if (const json::object* object = value.if_object()) {
    members = object->size();
    for (const json::key_value_pair& member : *object) members += count_members(member.value());
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) members += count_members(item);
  }
  return members;
}

}  // namespace

std::optional<json::value> parse_strict_json(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::error_code failed;
  json::value value = json::parse({text.data(), text.size()}, failed, {}, options);
  if (failed) return std::nullopt;
  json::basic_parser<MemberCounter> counter(options);
  counter.write_some(false, text.data(), text.size(), failed);
  if (failed || counter.handler().members != count_members(value)) return std::nullopt;
  return value;
}

}  // namespace tidegate
