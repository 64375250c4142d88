#include "adapters/http/response_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace tidegate::server {
namespace {

std::string_view status_line(unsigned status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 201:
      return "HTTP/1.1 201 Created\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 308:
      return "HTTP/1.1 308 Permanent Redirect\r\n";
    case 401:
      return "HTTP/1.1 401 Unauthorized\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 417:
      return "HTTP/1.1 417 Expectation Failed\r\n";
    case 422:
      return "HTTP/1.1 422 Unprocessable Content\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 505:
      return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    default:
      return "HTTP/1.1 400 Bad Request\r\n";
  }
}

void append_number(std::uint64_t number, int base, std::string& out) {
  std::array<char, 20> digits;
  const char* const end =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_connection(const Answer& answer, const Envelope& envelope, std::string& out) {
  // A stream to HTTP/1.0 ends with the connection.
  if (!envelope.keep_alive || (answer.stream && envelope.http_1_0)) {
    out += "Connection: close\r\n";
  } else if (envelope.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
}

}  // namespace

std::string_view error_word(unsigned status) {
  switch (status) {
    case 408:
      return "request_timeout";
    case 413:
      return "content_too_large";
    case 417:
      return "expectation_failed";
    case 431:
      return "header_too_large";
    case 503:
      return "server_stopping";
    case 505:
      return "http_version_not_supported";
    default:
      return "bad_request";
  }
}

void append_response(const Answer& answer, const Envelope& envelope, std::string& out) {
  out += status_line(answer.status);
  out += "Date: ";
  out += envelope.date;
  out += "\r\n";
  out += envelope.fields;
  out += answer.fields;
  if (!answer.content_type.empty()) append_field("Content-Type", answer.content_type, out);
  if (!answer.allow.empty()) append_field("Allow", answer.allow, out);
  append_connection(answer, envelope, out);
  if (answer.stream) {
    out += envelope.http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n";
    return;
  }
  if (answer.status == 204) {  // says by itself that there is no body
    out += "\r\n";
    return;
  }
  out += "Content-Length: ";
  append_number(answer.body.size(), 10, out);
  out += "\r\n\r\n";
  if (!envelope.head_only) out += answer.body;
}

void each_field(std::string_view fields,
                FunctionRef<void(std::string_view name, std::string_view value)> use) {
  while (!fields.empty()) {
    const std::string_view line = fields.substr(0, fields.find("\r\n"));
    const std::size_t colon = line.find(": ");
    use(line.substr(0, colon), line.substr(colon + 2));
    fields.remove_prefix(line.size() + 2);
  }
}

void append_field(std::string_view name, std::string_view value, std::string& out) {
  // Once for each of several fields of each response: the string grows in one step.
  const std::size_t before = out.size();
  const std::size_t after = before + name.size() + value.size() + 4;
  out.resize_and_overwrite(after, [&](char* text, std::size_t) {
    char* at = std::copy(name.begin(), name.end(), text + before);
    *at++ = ':';
    *at++ = ' ';
    at = std::copy(value.begin(), value.end(), at);
    *at++ = '\r';
    *at = '\n';
    return after;
  });
}

void append_chunk(std::string_view piece, std::string& out) {
  append_number(piece.size(), 16, out);
  out += "\r\n";
  out += piece;
  out += "\r\n";
}

}  // namespace tidegate::server
