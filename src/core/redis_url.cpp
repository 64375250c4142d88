#include "core/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/ascii.hpp"

namespace tidegate {
namespace {

template <class Number>
std::optional<Number> number_in(std::string_view text, Number least, Number most) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number >= least && number <= most ? std::optional(number) : std::nullopt;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc{} || end != digits + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

constexpr std::uint32_t kLastDatabase = 1'000'000;

}  // namespace

std::expected<RedisUrl, std::string_view> parse_redis_url(std::string_view url) {
  RedisUrl parsed;
  const auto scheme = url.find("://");
  const std::string_view name = url.substr(0, scheme);
  if (scheme == std::string_view::npos || (name != "redis" && name != "rediss" && name != "unix")) {
    return std::unexpected("it begins with none of the three");
  }
  parsed.tls = name == "rediss";
  std::string_view rest = url.substr(scheme + 3);
  const auto unfit = [](char c) {
    return c == ' ' || static_cast<unsigned char>(c) < ' ' || c == 0x7f;
  };
  if (std::ranges::any_of(rest, unfit)) {
    return std::unexpected("it has a space or control character");
  }

  // Up to the last @, since a password may hold one that was not escaped.
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = rest.substr(0, at);
    const auto colon = login.find(':');
    const auto user = percent_decoded(login.substr(0, colon));
    const auto password = percent_decoded(
        colon == std::string_view::npos ? std::string_view() : login.substr(colon + 1));
    if (!user || !password) {
      return std::unexpected("in its user or password % is not followed by two hexadecimal digits");
    }
    if (!user->empty() && password->empty())
      return std::unexpected("it has a user and no password");
    parsed.user = *user;
    parsed.password = *password;
    rest.remove_prefix(at + 1);
  }

  std::string_view database;
  if (name == "unix") {
    if (!rest.starts_with('/')) return std::unexpected("the path of a socket is absolute");
    const auto query = rest.find('?');
    parsed.path = rest.substr(0, query);
    if (query != std::string_view::npos) {
      database = rest.substr(query + 1);
      if (!database.starts_with("db=")) return std::unexpected("behind ? there is only db=NUMBER");
      database.remove_prefix(3);
      if (database.empty()) return std::unexpected("its database is not a number");
    }
  } else {
    const auto slash = rest.find('/');
    const std::string_view host = rest.substr(0, slash);
    if (slash != std::string_view::npos) database = rest.substr(slash + 1);
    const bool bracketed = host.starts_with('[');
    const auto end = bracketed ? host.find(']') : std::min(host.find(':'), host.size());
    if (bracketed && end == std::string_view::npos) return std::unexpected("its [ has no ]");
    const std::string_view behind = host.substr(bracketed ? end + 1 : end);
    parsed.host = host.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
    if (parsed.host.empty()) return std::unexpected("it names no host");
    if (!behind.empty()) {
      const auto port = behind.front() == ':'
                            ? number_in<std::uint16_t>(behind.substr(1), 1, 65'535)
                            : std::nullopt;
      if (!port) return std::unexpected("its port is not a number from 1 to 65535");
      parsed.port = *port;
    }
  }
  if (!database.empty()) {
    const auto number = number_in<std::uint32_t>(database, 0, kLastDatabase);
    if (!number) return std::unexpected("its database is not a number");
    parsed.database = *number;
  }
  return parsed;
}

}  // namespace tidegate
