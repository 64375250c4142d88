#include "adapters/asio/strict.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace tidegate::server {

std::optional<Refusal> refuse_beginning(std::string_view received) {
  if (received.empty()) return std::nullopt;
  const char first = received.front();
  const bool letter = (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
  // A lone CR may be half of an empty line before the request.
  if (!letter && first != '\r') return Refusal{400, "this is no HTTP request"};
  const auto feed = received.find('\n');
  if (feed == 0 || (feed != std::string_view::npos && received[feed - 1] != '\r')) {
    return Refusal{400, "a line does not end with CRLF"};
  }
  return std::nullopt;
}

std::optional<Refusal> refuse_lines(std::string_view head) {
  std::size_t lines = 0;
  for (auto feed = head.find('\n'); feed != std::string_view::npos;
       feed = head.find('\n', feed + 1)) {
    if (feed == 0 || head[feed - 1] != '\r') return Refusal{400, "a line does not end with CRLF"};
    if (feed + 1 < head.size() && (head[feed + 1] == ' ' || head[feed + 1] == '\t')) {
      return Refusal{400, "a header field is folded over lines"};
    }
    ++lines;
  }
  // The request line and the empty line are no fields.
  if (lines > kMaxFields + 2) return Refusal{431, "too many header fields"};
  return std::nullopt;
}

std::optional<Refusal> refuse_framing(const Framing& framing) {
  if (framing.method.size() > kMaxMethodBytes) return Refusal{400, "the method is too long"};
  if (framing.hosts > 1 || (framing.hosts == 0 && framing.version == 11)) {
    return Refusal{400, "there must be exactly one Host"};
  }
  if (framing.content_lengths > 1) return Refusal{400, "Content-Length is repeated"};
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (framing.content_lengths == 1 &&
      (framing.content_length.empty() || !std::ranges::all_of(framing.content_length, is_digit))) {
    return Refusal{400, "Content-Length is not a number"};
  }
  if (framing.transfer_encodings > 0) {
    if (framing.version == 10) return Refusal{400, "HTTP/1.0 has no Transfer-Encoding"};
    if (framing.content_lengths > 0) {
      return Refusal{400, "Transfer-Encoding and Content-Length exclude each other"};
    }
    if (framing.transfer_encodings > 1 ||
        !equal_ignoring_case(framing.transfer_encoding, "chunked")) {
      return Refusal{400, "the only Transfer-Encoding understood is chunked"};
    }
  }
  if (!framing.expect.empty() && !equal_ignoring_case(framing.expect, "100-continue")) {
    return Refusal{417, "the only expectation understood is 100-continue"};
  }
  return std::nullopt;
}

}  // namespace tidegate::server
