#include "identity/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/json_text.hpp"

namespace tidegate {
namespace {

using Type = JsonValue::Type;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

/// Reads from the left, and stops at the first thing that is wrong.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool document(JsonValue& out) {
    if (!value(out, 0)) return false;
    skip_blanks();
    return at_ == text_.size() || wrong("something behind the value");
  }
  Error error() const { return {fmt::format("{} at byte {}", wrong_, at_ + 1)}; }

 private:
  bool wrong(std::string_view what) {
    wrong_ = what;
    return false;
  }
  [[nodiscard]] char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (next() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return wrong("no JSON value");
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }

  bool value(JsonValue& out, std::size_t depth) {
    skip_blanks();
    switch (next()) {
      case '{':
        out.type = Type::object;
        return object(out, depth + 1);
      case '[':
        out.type = Type::array;
        return array(out, depth + 1);
      case '"':
        out.type = Type::string;
        return string(out.text);
      case 't':
        out.type = Type::boolean;
        out.text = "true";
        return take("true");
      case 'f':
        out.type = Type::boolean;
        out.text = "false";
        return take("false");
      case 'n':
        return take("null");
      default:
        out.type = Type::number;
        return number(out.text);
    }
  }

  bool object(JsonValue& out, std::size_t depth) {
    if (depth > kMaxJsonDepth) return wrong("nested too deeply");
    ++at_;
    skip_blanks();
    if (take('}')) return true;
    do {
      JsonMember& member = out.members.emplace_back();
      skip_blanks();
      if (next() != '"') return wrong("no name of a member");
      if (!string(member.name)) return false;
      skip_blanks();
      if (!take(':')) return wrong("no colon");
      if (!value(member.value, depth)) return false;
      skip_blanks();
    } while (take(','));
    if (!take('}')) return wrong("no end of the object");
    return no_name_twice(out);
  }

  bool no_name_twice(const JsonValue& object) {
    std::vector<std::string_view> names;
    for (const JsonMember& member : object.members) names.push_back(member.name);
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) == names.end() || wrong("a member twice, ending");
  }

  bool array(JsonValue& out, std::size_t depth) {
    if (depth > kMaxJsonDepth) return wrong("nested too deeply");
    ++at_;
    skip_blanks();
    if (take(']')) return true;
    do {
      if (!value(out.items.emplace_back(), depth)) return false;
      skip_blanks();
    } while (take(','));
    return take(']') || wrong("no end of the array");
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!escape(out)) return false;
        continue;
      }
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) return wrong("a byte that is no UTF-8");
      if (static_cast<unsigned char>(c) < 0x20) return wrong("a control character in a string");
      out += text_.substr(at_, length);
      at_ += length;
    }
    return wrong("a string without end");
  }

  bool escape(std::string& out) {
    ++at_;
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (take('u')) return unicode(out);
    const std::size_t which = kEscapes.find(next());
    if (at_ == text_.size() || which == std::string_view::npos) return wrong("no escape");
    out += kMeant[which];
    ++at_;
    return true;
  }

  bool unicode(std::string& out) {
    auto code = four_digits();
    if (!code) return wrong("no four hexadecimal digits");
    if (*code >= 0xdc00 && *code <= 0xdfff) return wrong("half a surrogate pair");
    if (*code >= 0xd800 && *code <= 0xdbff) {
      if (!text_.substr(at_).starts_with("\\u")) return wrong("half a surrogate pair");
      at_ += 2;
      const auto low = four_digits();
      if (!low || *low < 0xdc00 || *low > 0xdfff) return wrong("half a surrogate pair");
      code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
    }
    append_utf8(*code, out);
    return true;
  }

  std::optional<std::uint32_t> four_digits() {
    const std::string_view digits = text_.substr(at_, 4);
    if (digits.size() != 4) return std::nullopt;
    std::uint32_t code = 0;
    for (const char c : digits) {
      const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
      const std::size_t digit = std::string_view("0123456789abcdef").find(lower);
      if (digit == std::string_view::npos) return std::nullopt;
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    at_ += 4;
    return code;
  }

  bool digits() {
    if (!is_digit(next())) return wrong("no JSON value");
    while (is_digit(next())) ++at_;
    return true;
  }

  bool number(std::string& out) {
    const std::size_t start = at_;
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    out = text_.substr(start, at_ - start);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string_view wrong_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &JsonMember::name);
  return found == members.end() ? nullptr : &found->value;
}

std::expected<JsonValue, Error> parse_json(std::string_view text) {
  Reader reader(text);
  JsonValue value;
  if (!reader.document(value)) return std::unexpected(reader.error());
  return value;
}

}  // namespace tidegate
