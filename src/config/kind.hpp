// What a key may hold: how a value is read, which values are allowed, and the words for it.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.hpp"

namespace tidegate::config {

template <class V>
struct Kind {
  std::string type;     ///< one word for tables of keys: "integer"
  std::string allowed;  ///< for messages, behind "allowed: "
  /// The value, if the node has the right type; it may still be out of bounds.
  std::function<std::optional<V>(const Node&)> read;
  /// Nothing if the value is allowed; else why not, which may be "".
  std::function<std::optional<std::string>(const V&)> problem;
  std::function<std::string(const V&)> write;  ///< as TOML
  bool secret = false;                         ///< a message must not repeat the value
};

/// "found X, allowed: Y", and why where that is not plain.
[[nodiscard]] std::string refusal(std::string_view found, std::string_view allowed,
                                  std::string_view why = "");

/// An integer of any width between two bounds, both allowed.
template <class V>
Kind<V> integer(V least, V most) {
  return {
      .type = "integer",
      .allowed = fmt::format("an integer from {} to {}", least, most),
      .read = [](const Node& node) -> std::optional<V> {
        const auto* value = node.as<std::int64_t>();
        if (value == nullptr || !std::in_range<V>(*value)) return std::nullopt;
        return static_cast<V>(*value);
      },
      .problem = [least, most](const V& value) -> std::optional<std::string> {
        if (value < least || value > most) return "";
        return std::nullopt;
      },
      .write = [](const V& value) { return fmt::format("{}", value); },
  };
}

/// One of a few words, each standing for a value.
template <class E>
Kind<E> word(const std::vector<std::pair<std::string, E>>& words) {
  std::string allowed;
  for (const auto& [text, value] : words) {
    allowed += fmt::format("{}\"{}\"", allowed.empty() ? "" : ", ", text);
  }
  const auto text_of = [words](const E& sought) -> std::optional<std::string> {
    for (const auto& [text, value] : words) {
      if (value == sought) return fmt::format("\"{}\"", text);
    }
    return std::nullopt;
  };
  return {
      .type = "string",
      .allowed = allowed,
      .read = [words](const Node& node) -> std::optional<E> {
        const auto* found = node.as<std::string>();
        for (const auto& [text, value] : words) {
          if (found != nullptr && *found == text) return value;
        }
        return std::nullopt;
      },
      .problem = [text_of](const E& value) -> std::optional<std::string> {
        if (!text_of(value)) return "";
        return std::nullopt;
      },
      .write = [text_of](const E& value) { return text_of(value).value_or("no such value"); },
  };
}

[[nodiscard]] Kind<bool> boolean();
/// "30s" or whole seconds, between two bounds, both allowed.
[[nodiscard]] Kind<std::chrono::microseconds> duration(std::chrono::microseconds least,
                                                       std::chrono::microseconds most);

/// A string. `problem` as in Kind.
[[nodiscard]] Kind<std::string> text(
    std::string allowed, std::function<std::optional<std::string>(const std::string&)> problem);

// The kinds of text that several tables share.
[[nodiscard]] Kind<std::string> printable_name();  ///< of a rule or tier: 1 to 64 characters
[[nodiscard]] Kind<std::string> file_safe_name();  ///< 1 to 64 of [A-Za-z0-9._-], no dot first
[[nodiscard]] Kind<std::string> or_empty(Kind<std::string> kind, std::string_view meaning);
[[nodiscard]] Kind<std::string> environment_variable();  ///< its name
[[nodiscard]] Kind<std::string> file_path();
[[nodiscard]] Kind<std::string> line();  ///< 1 to 256 characters
[[nodiscard]] Kind<std::string> method();
[[nodiscard]] Kind<std::string> endpoint_pattern();
[[nodiscard]] Kind<std::string> address_range();
[[nodiscard]] Kind<std::string> identification_step();
[[nodiscard]] Kind<std::string> redis_url();
/// The mode of a file as "0600", of which the owner may always read and write.
[[nodiscard]] Kind<std::uint32_t> file_mode();

}  // namespace tidegate::config
