#include "config/kind.hpp"

#include <algorithm>
#include <charconv>

#include "config/duration.hpp"
#include "core/redis_url.hpp"
#include "identity/identity.hpp"
#include "policy/pattern.hpp"

namespace tidegate::config {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxLine = 256;

using Problem = std::optional<std::string>;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// A token of RFC 9110, section 5.6.2: what names of methods and header fields are made of.
bool is_token(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return is_alphanumeric(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

/// Turns a yes-or-no test into what Kind wants.
template <class Test>
std::function<Problem(const std::string&)> unless(Test allowed) {
  return [allowed](const std::string& value) -> Problem {
    if (allowed(value)) return std::nullopt;
    return "";
  };
}

Problem redis_url_problem(const std::string& value) {
  const auto url = parse_redis_url(value);
  return url ? std::nullopt : std::optional(std::string(url.error()));
}

}  // namespace

std::string refusal(std::string_view found, std::string_view allowed, std::string_view why) {
  return why.empty() ? fmt::format("found {}, allowed: {}", found, allowed)
                     : fmt::format("found {}, allowed: {} ({})", found, allowed, why);
}

Kind<bool> boolean() {
  return {
      .type = "boolean",
      .allowed = "true or false",
      .read = [](const Node& node) -> std::optional<bool> {
        if (const auto* value = node.as<bool>()) return *value;
        return std::nullopt;
      },
      .problem = [](const bool&) -> Problem { return std::nullopt; },
      .write = [](const bool& value) { return std::string(value ? "true" : "false"); },
  };
}

Kind<std::chrono::microseconds> duration(std::chrono::microseconds least,
                                         std::chrono::microseconds most) {
  return {
      .type = "duration",
      .allowed = fmt::format(
          "\"{}\" to \"{}\": one integer and one unit (ms, s, m, h, d), or an integer of seconds",
          format_duration(least), format_duration(most)),
      .read = [](const Node& node) -> std::optional<std::chrono::microseconds> {
        if (const auto* seconds = node.as<std::int64_t>()) return duration_from_seconds(*seconds);
        if (const auto* value = node.as<std::string>()) return parse_duration(*value);
        return std::nullopt;
      },
      .problem = [least, most](const std::chrono::microseconds& value) -> Problem {
        if (value < least || value > most) return "";
        return std::nullopt;
      },
      .write =
          [](const std::chrono::microseconds& value) {
            return fmt::format("\"{}\"", format_duration(value));
          },
  };
}

Kind<std::string> text(std::string allowed, std::function<Problem(const std::string&)> problem) {
  return {
      .type = "string",
      .allowed = std::move(allowed),
      .read = [](const Node& node) -> std::optional<std::string> {
        if (const auto* value = node.as<std::string>()) return *value;
        return std::nullopt;
      },
      .problem = std::move(problem),
      .write = shown,
  };
}

Kind<std::string> or_empty(Kind<std::string> kind, std::string_view meaning) {
  kind.allowed += fmt::format("; or \"\": {}", meaning);
  kind.problem = [inner = std::move(kind.problem)](const std::string& value) -> Problem {
    if (value.empty()) return std::nullopt;
    return inner(value);
  };
  return kind;
}

Kind<std::string> printable_name() {
  return text("a string of 1 to 64 printable ASCII characters", unless([](std::string_view value) {
                return !value.empty() && value.size() <= kMaxName &&
                       std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
              }));
}

Kind<std::string> file_safe_name() {
  return text("a string of 1 to 64 characters of [A-Za-z0-9._-], not beginning with a dot",
              unless([](std::string_view value) {
                return !value.empty() && value.size() <= kMaxName && value[0] != '.' &&
                       std::ranges::all_of(value, [](char c) {
                         return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
                       });
              }));
}

Kind<std::string> environment_variable() {
  return text("the name of an environment variable, of [A-Za-z0-9_] and not beginning with a digit",
              unless([](std::string_view value) {
                return !value.empty() && value.size() <= kMaxLine &&
                       !(value[0] >= '0' && value[0] <= '9') &&
                       std::ranges::all_of(value,
                                           [](char c) { return is_alphanumeric(c) || c == '_'; });
              }));
}

Kind<std::string> file_path() {
  return text("the path of a file", unless([](std::string_view value) {
                return !value.empty() && value.size() < 4'096 &&
                       std::ranges::none_of(value, is_control);
              }));
}

Kind<std::string> line() {
  return text("a string of 1 to 256 bytes without control characters",
              unless([](std::string_view value) {
                return !value.empty() && value.size() <= kMaxLine &&
                       std::ranges::none_of(value, is_control);
              }));
}

Kind<std::string> method() {
  return text("a method in capitals, as \"GET\"", unless([](std::string_view value) {
                return is_token(value) && value.size() <= kMaxName &&
                       std::ranges::none_of(value, [](char c) { return c >= 'a' && c <= 'z'; });
              }));
}

Kind<std::string> endpoint_pattern() {
  return text("a path, in which * stands for one segment and ** for any number at the end",
              [](const std::string& value) -> Problem {
                std::string why = validate_pattern(value);
                if (why.empty()) return std::nullopt;
                return why;
              });
}

Kind<std::string> address_range() {
  return text("an address, or a range without bits behind its prefix, as \"10.0.0.0/8\"",
              unless([](std::string_view value) { return Cidr::parse(value).has_value(); }));
}

Kind<std::string> identification_step() {
  return text("\"jwt\", \"ip\" or \"header:NAME\", NAME being that of a header field",
              unless([](std::string_view value) {
                constexpr std::string_view kHeader = "header:";
                if (value.starts_with(kHeader)) {
                  return is_token(value.substr(kHeader.size())) && value.size() <= kMaxName;
                }
                return value == "jwt" || value == "ip";
              }));
}

Kind<std::string> redis_url() {
  Kind<std::string> kind =
      text("redis://, rediss:// or unix://, as \"redis://localhost:6379/0\"", redis_url_problem);
  kind.secret = true;  // it may hold a password
  return kind;
}

Kind<std::uint32_t> file_mode() {
  return {
      .type = "string",
      .allowed =
          "three or four octal digits as \"0600\" or \"0660\", of which the owner has 6 and "
          "nobody may execute",
      .read = [](const Node& node) -> std::optional<std::uint32_t> {
        const auto* value = node.as<std::string>();
        if (value == nullptr || value->size() < 3 || value->size() > 4 ||
            value->find_first_not_of("01234567") != std::string::npos) {
          return std::nullopt;
        }
        std::uint32_t mode = 0;
        for (const char c : *value) mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
        return mode;
      },
      .problem = [](const std::uint32_t& value) -> Problem {
        if ((value & ~0666U) != 0 || (value & 0600U) != 0600U) return "";
        return std::nullopt;
      },
      .write = [](const std::uint32_t& value) { return fmt::format("\"{:04o}\"", value); },
  };
}

}  // namespace tidegate::config
