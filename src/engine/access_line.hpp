// A line of an access log as nginx and Apache write them unless told otherwise: common, combined,
// nginx's default, and each with a virtual host before it or further fields behind it.
//
//   203.0.113.7 - ann [24/Nov/2026:10:00:00 +0100] "GET /a?b HTTP/1.1" 200 512 "-" "curl/7.88"
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidegate/client.hpp"

namespace tidegate {

/// What a line tells about a request. Its texts are as the client sent them: the log's escapes are
/// undone.
struct AccessLine {
  std::optional<IpAddress> peer;  ///< nothing: a unix socket
  std::uint64_t time_s = 0;       ///< since the Unix epoch; logs keep no fractions
  std::string method;
  std::string target;
  unsigned status = 0;     ///< as answered then; 0: none was logged
  std::string user_agent;  ///< "" or "-" where there was none
};

/// Why a line is no request that could be decided.
enum class AccessLineFault : std::uint8_t {
  format,      ///< not of any of these formats, cut off, or too long
  address,     ///< the client is no address (a host name, perhaps)
  time,        ///< the time is none, or not between 1970 and 2085
  no_request,  ///< the connection ended before there was a request ("-" or "")
  not_http,    ///< what was sent instead of a request line
  order        ///< much older than a line before it
};
inline constexpr std::size_t kAccessLineFaults = 6;
/// In words, for a report.
[[nodiscard]] std::string_view to_string(AccessLineFault fault);

/// A longer line is of no use; servers cut request lines at 8 KiB.
inline constexpr std::size_t kMaxAccessLineBytes = std::size_t{64} << 10;

/// Reads a line, without its newline. Reuses the memory of `out`, which is unspecified after a
/// fault. Never reports `order`.
[[nodiscard]] std::optional<AccessLineFault> read_access_line(std::string_view line,
                                                              AccessLine& out);

}  // namespace tidegate
