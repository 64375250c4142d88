// What the HTTP parser lets pass and this server does not: headers that two programs in a row may
// read differently. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tidegate::server {

/// Lines of a header, the request line not counted.
inline constexpr std::size_t kMaxFields = 100;
inline constexpr std::size_t kMaxMethodBytes = 32;

/// Why a request is answered without a decision, and the connection closed.
struct Refusal {
  unsigned status = 400;
  std::string_view reason;
};

/// Looks at the bytes of a header that is not whole yet, so that what can never become one need not
/// be waited for: another protocol, or lines that end with LF alone.
[[nodiscard]] std::optional<Refusal> refuse_beginning(std::string_view received);

/// Looks at the lines of a header before it is parsed: `head` ends with an empty line. Refuses
/// folded lines, lines that do not end with CRLF, and too many.
[[nodiscard]] std::optional<Refusal> refuse_lines(std::string_view head);

/// What of a parsed header says where the request ends and for whom it is.
struct Framing {
  unsigned version = 11;  ///< 10 or 11
  std::string_view method = {};
  std::size_t hosts = 0;
  std::size_t content_lengths = 0;
  std::size_t transfer_encodings = 0;
  std::string_view content_length = {};  ///< the last line of these names
  std::string_view transfer_encoding = {};
  std::string_view expect = {};
};

/// Refuses a Transfer-Encoding that is not exactly "chunked", is repeated, comes with a
/// Content-Length or in HTTP/1.0; a repeated Content-Length; a missing or repeated Host; methods of
/// absurd length; expectations nobody knows.
[[nodiscard]] std::optional<Refusal> refuse_framing(const Framing& framing);

}  // namespace tidegate::server
