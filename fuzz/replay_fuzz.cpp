// Lines of replay: whatever comes in, one line of JSON goes out, and a request is decided.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/replay.hpp"

namespace {

tidegate::Replay make_replay() {
  tidegate::RateLimitConfig config;
  config.memory.capacity = 1'000;
  config.memory.log_slots = 1'000;
  config.client_identification.trusted_proxy_depth = 1;
  tidegate::EndpointConfig search;
  search.name = "search";
  search.pattern = "/api/v1/search/*";
  search.limit = {.algorithm = tidegate::Algorithm::token_bucket,
                  .windows = {{.limit = 5, .window = std::chrono::seconds(1), .burst = 7}}};
  config.endpoints.push_back(search);
  return tidegate::Replay::create({.config = config}).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static tidegate::Replay replay = make_replay();
  std::string out;
  replay.line({reinterpret_cast<const char*>(data), size}, out);
  if (!out.starts_with("{\"t_us\":") || !out.ends_with("}\n")) std::abort();
  if (out.find('\n') != out.size() - 1) std::abort();  // one line for one line
  return 0;
}
