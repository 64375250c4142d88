// Responses as text, written by hand: one string, one write.
#pragma once

#include <string>
#include <string_view>

#include "tidegate/function_ref.hpp"

namespace tidegate::server {

/// What a route answers. Views must live until the response is written.
struct Answer {
  unsigned status = 200;
  std::string_view content_type = "application/json";  ///< empty: the fields say it, or no body
  std::string_view body = {};
  std::string_view allow = {};   ///< for 405
  std::string_view fields = {};  ///< further lines that are ready, each with its CRLF
  bool stream = false;           ///< the body is stream_chunk() instead, piece by piece
};

/// What goes around an answer.
struct Envelope {
  std::string_view date = {};    ///< as in "Sun, 06 Nov 1994 08:49:37 GMT"
  std::string_view fields = {};  ///< lines that are ready, each with its CRLF
  bool keep_alive = true;
  bool http_1_0 = false;
  bool head_only = false;  ///< the request was HEAD: the same without the body
};

/// The `error` member of a body with this status: "bad_request" and so on.
[[nodiscard]] std::string_view error_word(unsigned status);

/// Appends the response. The body of a stream follows in pieces: in chunks, or for HTTP/1.0 until
/// the connection is closed.
void append_response(const Answer& answer, const Envelope& envelope, std::string& out);

/// Calls `use` with name and value of each of lines that are ready, as an Answer has them.
void each_field(std::string_view fields,
                FunctionRef<void(std::string_view name, std::string_view value)> use);

/// Appends a field line.
void append_field(std::string_view name, std::string_view value, std::string& out);

/// Appends one chunk of a chunked body; the empty one ends it.
void append_chunk(std::string_view piece, std::string& out);

}  // namespace tidegate::server
