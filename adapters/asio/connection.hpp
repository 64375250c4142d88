// One connection of a client: reads requests, has them decided, writes responses.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "adapters/asio/worker.hpp"
#include "adapters/http/admin.hpp"
#include "adapters/http/service.hpp"
#include "adapters/posix/redis_session.hpp"
#include "tidegate/client.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::server {

// Concrete types: the erased executor that Asio takes by default costs at every step.
using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
using Task = boost::asio::awaitable<void, Executor>;

/// What can be told to a connection from outside.
class Expiring {
 public:
  Expiring() = default;
  Expiring(const Expiring&) = delete;
  Expiring& operator=(const Expiring&) = delete;
  virtual ~Expiring() = default;
  /// Ends what waits longer than it may.
  virtual void expire(std::chrono::steady_clock::time_point now) = 0;
  /// Ends the connection if no request is under way; one whose header is not whole is none.
  virtual void end_if_idle() = 0;

  std::size_t place = 0;  ///< in WorkerState::connections
};

/// What the connections of a worker share. One thread.
struct WorkerState {
  WorkerState(bool demo, Limiter* the_limiter, const ServerLimits& the_limits)
      : service(demo, the_limiter), admin(the_limiter), limiter(the_limiter), limits(the_limits) {}

  Service service;
  Admin admin;
  Limiter* limiter;
  std::unique_ptr<posix::RedisSession> redis;  ///< null: counts are in memory
  ServerLimits limits;
  std::chrono::steady_clock::time_point now;  ///< read once a second
  std::string date;                           ///< as HTTP writes it, of the same second
  bool stopping = false;
  std::vector<Expiring*> connections;

  // Used within one step and by no two connections at once, so that they stay in the cache.
  Decision decision;
  std::string scratch;
  bool warned_of_proxies = false;

  [[nodiscard]] bool full() const { return connections.size() >= limits.connections; }
};

/// Serves a connection until it ends. Never throws.
Task serve_connection(Socket socket, IpAddress peer, Port port, WorkerState& state);

}  // namespace tidegate::server
