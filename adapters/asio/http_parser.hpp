// Beast's parser as connections use it: for heads of requests, and bodies that hardly anybody
// reads. Included by connection.cpp alone: Beast compiles slowly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/parser.hpp>

#include "adapters/asio/strict.hpp"

namespace tidegate::server {

inline constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{1} << 20;

/// A body that is kept for whoever wants it, and else read and forgotten: the demo has no use for
/// one. What is longer than `limit` is an error while it comes, not before the request has had its
/// decision.
// NOLINTBEGIN(readability-identifier-naming,readability-convert-member-functions-to-static): Beast
// says what a body is made of.
struct BoundedBody {
  struct value_type {
    std::uint64_t limit = kMaxBodyBytes;
    std::string* kept = nullptr;
  };
  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(boost::beast::http::header<isRequest, Fields>&, value_type& value) : value_(value) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& error) {
      error = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      const std::size_t bytes = boost::asio::buffer_size(buffers);
      total_ += bytes;
      error = {};
      if (total_ > value_.limit) {
        error = boost::beast::http::error::body_limit;
      } else if (value_.kept != nullptr) {
        *value_.kept += boost::beast::buffers_to_string(buffers);
      }
      return bytes;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type& value_;
    std::uint64_t total_ = 0;
  };
};
// NOLINTEND(readability-identifier-naming,readability-convert-member-functions-to-static)

using Parser =
    boost::beast::http::request_parser<BoundedBody, std::pmr::polymorphic_allocator<char>>;

/// The lines that say where a request ends, gathered in one pass.
inline Framing framing_of(const Parser::value_type& request) {
  Framing framing{.version = request.version(), .method = request.method_string()};
  for (const auto& line : request) {
    switch (line.name()) {
      case boost::beast::http::field::host:
        ++framing.hosts;
        break;
      case boost::beast::http::field::content_length:
        ++framing.content_lengths;
        framing.content_length = line.value();
        break;
      case boost::beast::http::field::transfer_encoding:
        ++framing.transfer_encodings;
        framing.transfer_encoding = line.value();
        break;
      case boost::beast::http::field::expect:
        framing.expect = line.value();
        break;
      default:
        break;
    }
  }
  return framing;
}

inline Refusal refusal_of(const boost::system::error_code& error) {
  if (error == boost::beast::http::error::bad_version)
    return {505, "only HTTP/1.0 and HTTP/1.1 are understood"};
  if (error == boost::beast::http::error::bad_target)
    return {400, "the request target has forbidden characters"};
  return {400, "this is no HTTP request"};
}

}  // namespace tidegate::server
