// What the server answers: routes and bodies. Knows no socket and no HTTP library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/http/response_text.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::server {

enum class Port : std::uint8_t {
  all,      ///< everything, because there is no port for operators
  service,  ///< everything but health, metrics and what operators may do
  ops       ///< these alone
};

enum class Route : std::uint8_t {
  none,
  health,
  metrics,
  auth,
  hello,
  search,
  orders,
  stream,
  // Of operators: see admin.hpp.
  admin,  ///< leads to the page
  admin_page,
  admin_style,
  admin_script,
  admin_status,
  admin_reset,
  admin_reload
};

/// Whether a route takes the method: POST, or else GET and HEAD.
[[nodiscard]] bool method_allowed(std::string_view method, bool post);
[[nodiscard]] Answer method_not_allowed(bool post, std::string_view fields = {});

class Service {
 public:
  /// `limiter` null: nothing is limited, and there are no metrics. Routes of operators exist where
  /// it has a token for them.
  Service(bool demo, const Limiter* limiter) : demo_(demo), limiter_(limiter) {}

  /// Where a request target leads. It is compared as it stands, so nothing reaches a route of ours
  /// by a spelling that its rule does not know.
  [[nodiscard]] Route route(Port port, std::string_view target) const;

  /// Whether a request there needs a decision of its own first. With the demo all do, exempt ones
  /// too: the configuration says which endpoints are exempt. /auth asks for another request, and
  /// whoever is to put things right must not be locked out.
  [[nodiscard]] bool guarded(Port port, Route route) const;

  /// The answer to a request that was admitted, but for those of operators. `scratch` keeps a body
  /// that is not a constant.
  [[nodiscard]] Answer answer(Route route, std::string_view method, std::string_view target,
                              std::string& scratch) const;

  /// The demonstration API, which pages of any origin may use. Appends the fields that let them,
  /// for a request with an Origin: to a preflight what it may ask for, else that scripts may read
  /// `exposed`, if it names any.
  [[nodiscard]] static bool open_to_pages(Route route);
  static void append_cors(Route route, bool preflight, std::string_view exposed, std::string& out);

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
