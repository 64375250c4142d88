// A load for a server: requests at a rate, from many clients, and how they were answered.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate {

struct LoadOptions {
  /// Where requests go, in turn: http://host:port/path. At least one.
  std::vector<std::string> urls{"http://127.0.0.1:8000/api/v1/hello"};
  double rate = 1'000;        ///< requests a second; 0: all at once
  std::size_t clients = 100;  ///< each with an address of its own in X-Forwarded-For; 0: none
  std::size_t requests = 10'000;
  std::size_t connections = 100;     ///< to each URL
  std::vector<std::string> headers;  ///< further lines, "Name: value"
};

/// What became of the requests. Times are from when a request was due, so that a server that stands
/// still cannot hide it.
struct LoadResult {
  std::size_t admitted = 0;     ///< answered otherwise than the two that follow
  std::size_t refused = 0;      ///< 429
  std::size_t unavailable = 0;  ///< 503
  std::size_t errors = 0;       ///< no answer, or none that is HTTP
  std::string first_error;      ///< of those
  std::chrono::microseconds took{0};
  std::vector<std::uint32_t> latencies_us;  ///< of all answers, the shortest first

  /// The latency that a part of the answers, from 0 to 1, did not exceed; 0 without answers.
  [[nodiscard]] std::uint32_t quantile_us(double part) const;
};

/// Runs it on this thread. An error says which URL cannot be used, or where nobody listens.
[[nodiscard]] std::expected<LoadResult, Error> load(const LoadOptions& options);

namespace server {

/// What a load knows of a response: its end, and its status.
struct ResponseEnd {
  unsigned status = 0;
  std::size_t size = 0;  ///< of the whole response
  bool closes = false;   ///< the connection ends with it
};
/// Nothing: more has to arrive. An error: it is no response, or none that says where it ends.
[[nodiscard]] std::expected<std::optional<ResponseEnd>, Error> find_end(std::string_view bytes);

struct LoadTarget {
  std::string host;
  std::string port;
  std::string target;
};
[[nodiscard]] std::expected<LoadTarget, Error> read_url(std::string_view url);

}  // namespace server
}  // namespace tidegate
