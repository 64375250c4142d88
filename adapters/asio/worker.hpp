// One worker process: the event loop that accepts and serves connections.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "adapters/http/service.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::server {

/// What a client may take of a worker. Times are noticed within a second.
struct ServerLimits {
  std::chrono::seconds head = std::chrono::seconds(10);   ///< a whole header, from its first byte
  std::chrono::seconds body = std::chrono::seconds(30);   ///< a whole body
  std::chrono::seconds write = std::chrono::seconds(30);  ///< one response, or piece of a stream
  std::chrono::seconds idle = std::chrono::seconds(60);   ///< between requests
  /// Between requests, while there is no room for further connections.
  std::chrono::seconds idle_when_full = std::chrono::seconds(5);
  std::chrono::seconds stop = std::chrono::seconds(10);  ///< for running requests, at the end
  std::size_t connections = 20'000;                      ///< and no more than files may be open
  unsigned workers = 1;                                  ///< that share the connections to Redis
};

/// Listening sockets that the worker inherits. Without a port for operators, `main` answers all.
struct WorkerPorts {
  int main = -1;
  std::optional<int> ops;
};

/// Serves until SIGTERM or SIGINT, then gives running requests the time to finish and returns the
/// exit code 0. SIGUSR1 reopens the log. Unblocks these signals. `limiter` may be null.
[[nodiscard]] int run_worker(const WorkerPorts& ports, const ServerLimits& limits, bool demo,
                             Limiter* limiter);

}  // namespace tidegate::server
