// `tidegate serve`: the HTTP server, its worker processes, and what it answers.
#pragma once

#include <optional>
#include <string>

#include "tidegate/limiter.hpp"

namespace tidegate {

struct ServeOptions {
  std::string listen = "127.0.0.1:8000";  ///< HOST:PORT or [v6]:PORT; port 0 takes a free one
  std::optional<std::string>
      ops_listen;        ///< moves /health, /metrics and /admin to a port of its own
  bool demo = false;     ///< adds the small API behind the limiter
  unsigned workers = 1;  ///< worker processes, at least 1
};

/// Serves until SIGTERM or SIGINT, and returns the exit code: 0 after such a stop, 1 if a port
/// could not be opened or workers kept dying, 2 if an address makes no sense. Prints what to try to
/// standard output once, faults to standard error. Forks: call it while the process has one thread.
/// `limiter` null: the same server without any limit, to measure against.
[[nodiscard]] int serve(const ServeOptions& options, Limiter* limiter);

}  // namespace tidegate
