#include "config/write.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tidegate::config {
namespace {

void append_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += byte;
    } else if (code < 0x20 || code == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    } else {
      out += byte;
    }
  }
  out += '"';
}

void append_key(std::string& out, std::string_view key) {
  const auto bare = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
  };
  if (!key.empty() && std::ranges::all_of(key, bare)) {
    out += key;
  } else {
    append_text(out, key);
  }
}

void append_value(std::string& out, const Node& node);

template <class Items, class Append>
void append_list(std::string& out, char open, char close, const Items& items, Append append) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    append(item);
  }
  out += close;
}

void append_value(std::string& out, const Node& node) {
  if (const auto* boolean = node.as<bool>()) {
    out += *boolean ? "true" : "false";
  } else if (const auto* integer = node.as<std::int64_t>()) {
    out += std::to_string(*integer);
  } else if (const auto* text = node.as<std::string>()) {
    append_text(out, *text);
  } else if (const auto* array = node.as<Array>()) {
    append_list(out, '[', ']', *array, [&](const Node& item) { append_value(out, item); });
  } else if (const auto* table = node.as<Table>()) {
    append_list(out, '{', '}', *table, [&](const Entry& entry) {
      append_key(out, entry.key);
      out += " = ";
      append_value(out, entry.value);
    });
  } else if (const auto* number = node.as<double>()) {
    fmt::format_to(std::back_inserter(out), "{:e}", *number);  // no key of ours takes one
  } else {
    out += "1970-01-01";  // the same
  }
}

}  // namespace

std::string write_table(const std::string& path, const Table& table) {
  if (table.empty()) return path + " = {}\n";
  std::string out;
  for (const Entry& entry : table) {
    std::string key = path + '.';
    append_key(key, entry.key);
    const auto* inner = entry.value.as<Table>();
    if (inner != nullptr) {
      out += write_table(key, *inner);
      continue;
    }
    out += key;
    out += " = ";
    append_value(out, entry.value);
    out += '\n';
  }
  return out;
}

}  // namespace tidegate::config
