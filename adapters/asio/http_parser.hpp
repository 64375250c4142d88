// Beast's parser as connections use it: for heads of requests, and bodies that nobody reads.
// Included by connection.cpp alone: Beast compiles slowly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/parser.hpp>

#include "adapters/asio/strict.hpp"

namespace tidegate::server {

inline constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{1} << 20;

/// A body nobody reads: the demo has no use for one. What is longer than kMaxBodyBytes is an error
/// while it comes, not before the request has had its decision.
// NOLINTBEGIN(readability-identifier-naming,readability-convert-member-functions-to-static): Beast
// says what a body is made of.
struct DiscardedBody {
  struct value_type {};
  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(boost::beast::http::header<isRequest, Fields>&, value_type&) {}
    void init(const boost::optional<std::uint64_t>&, boost::system::error_code& error) {
      error = {};
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      const std::size_t bytes = boost::asio::buffer_size(buffers);
      total_ += bytes;
      error = {};
      if (total_ > kMaxBodyBytes) error = boost::beast::http::error::body_limit;
      return bytes;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    std::uint64_t total_ = 0;
  };
};
// NOLINTEND(readability-identifier-naming,readability-convert-member-functions-to-static)

using Parser =
    boost::beast::http::request_parser<DiscardedBody, std::pmr::polymorphic_allocator<char>>;

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
