// Where a Redis is, as a URL says it:
//
//   redis://[[user]:password@]host[:port][/database]      rediss: the same with TLS
//   unix://[[user]:password@]/path/of/socket[?db=database]
//
// User and password are percent-decoded; an IPv6 address stands in brackets.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace tidegate {

struct RedisUrl {
  std::string host;  ///< a name, or an address without brackets; empty: see path
  std::uint16_t port = 6379;
  std::string path;  ///< of a unix socket
  std::string user;
  std::string password;
  std::uint32_t database = 0;
  bool tls = false;
};

/// The error says what is wrong with it, in words that fit behind "found ..., allowed: ...", and
/// names no password.
[[nodiscard]] std::expected<RedisUrl, std::string_view> parse_redis_url(std::string_view url);

}  // namespace tidegate
