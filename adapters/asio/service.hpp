// What the server answers: routes and bodies. Knows no socket and no HTTP library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/asio/response_text.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::server {

enum class Port : std::uint8_t {
  all,      ///< everything, because there is no port for operators
  service,  ///< everything but health and metrics
  ops       ///< health and metrics alone
};

enum class Route : std::uint8_t { none, health, metrics, auth, hello, search, orders, stream };

class Service {
 public:
  /// `limiter` null: nothing is limited, and there are no metrics.
  Service(bool demo, const Limiter* limiter) : demo_(demo), limiter_(limiter) {}

  /// Where a request target leads. It is compared as it stands, so nothing reaches a route of ours
  /// by a spelling that its rule does not know.
  [[nodiscard]] Route route(Port port, std::string_view target) const;

  /// Whether a request there needs a decision of its own first. With the demo all do, exempt ones
  /// too: the configuration says which endpoints are exempt. /auth asks for another request.
  [[nodiscard]] bool guarded(Port port, Route route) const {
    return demo_ && port != Port::ops && route != Route::auth;
  }

  /// The answer to a request that was admitted. `scratch` keeps a body that is not a constant.
  [[nodiscard]] Answer answer(Route route, std::string_view method, std::string_view target,
                              std::string& scratch) const;

  /// The pieces of /api/v1/stream.
  static constexpr unsigned kStreamPieces = 5;
  static void append_stream_piece(unsigned piece, std::string& out);

 private:
  [[nodiscard]] Answer health(std::string& scratch) const;

  bool demo_;
  const Limiter* limiter_;
};

/// The path of a request target as it stands: without query and fragment, and without scheme and
/// authority.
[[nodiscard]] std::string_view raw_path(std::string_view target);

}  // namespace tidegate::server
