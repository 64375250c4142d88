// The client: calls in, replies out, whatever the topology. A state machine without sockets or
// clocks: bytes and times come in, and what it wants goes to a Network.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "store/redis/failure.hpp"
#include "store/redis/network.hpp"
#include "store/redis/reply.hpp"
#include "store/redis/tls.hpp"
#include "tidegate/config.hpp"

namespace tidegate::redis {

/// One of the 16384 hash slots of a cluster; elsewhere it means nothing.
using Slot = std::uint16_t;
/// The slot of a key: CRC16 (XMODEM) of its hash tag, or of all of it, modulo 16384.
[[nodiscard]] Slot slot_of(std::string_view key);

/// A Lua script with the SHA-1 that EVALSHA names it by, in 40 hex digits.
struct Script {
  std::string text;
  std::string sha1;
};

[[nodiscard]] Script make_script(std::string text);

/// One call of a script, or one command. All keys of it share a slot.
struct Call {
  Operation operation = Operation::check;
  Slot slot = 0;
  const Script* script = nullptr;      ///< EVALSHA of it, EVAL once if the server does not know it
  std::uint32_t keys = 0;              ///< for a script: how many of the arguments are keys
  std::vector<std::string> arguments;  ///< without a script the whole command, name first
};

/// What the owner of a client hears of it. Never called from within call(); always from within
/// flush() or an on_... function.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Every call ends by exactly one of these two, at its deadline at the latest.
  virtual void on_reply(std::uint64_t call, const Reply& reply, Micros now) = 0;
  virtual void on_failure(std::uint64_t call, const Failure& failure, Micros now) = 0;
  /// For the metrics: an exchange with a server has ended, well or not, the handshakes too.
  virtual void on_exchange(Operation operation, Micros latency_us) = 0;
  virtual void on_error(Operation operation, ErrorType type) = 0;
  /// Another server answers for what was counted before: what is remembered of its answers is void.
  virtual void on_master_changed() {}
  /// There is a new connection to a server that may be asked; `server` as of server_of().
  virtual void on_ready(std::uint64_t server, Micros now) = 0;
  /// A server of a cluster has no slots any more: others answer for what was counted there.
  virtual void on_gone(std::uint64_t /*server*/, Micros /*now*/) {}
  /// Worth a line in the log, at most once for each occasion ("min-replicas-to-write is 0").
  virtual void on_remark(std::string_view event, std::string_view message) = 0;
};

struct ClientOptions {
  RedisConfig config;             ///< checked by the configuration
  std::string sentinel_password;  ///< the value of password_env
  /// Of the files that the configuration names; null: no TLS. Shared by clients.
  std::shared_ptr<const TlsContext> tls;
  /// Nobody but this server, whatever the topology: for those who look through all of them.
  std::optional<Endpoint> only;
  std::uint32_t connections = 1;  ///< to one node at most: this worker's part of pool_size
  std::uint64_t seed = 0;         ///< of the jitter
};

/// Not thread-safe: one per event loop. Times are microseconds of a clock that never goes back.
class Client {
 public:
  /// Keeps references. Connects when the first call comes, or when told to connect().
  Client(ClientOptions options, Network& network, Listener& listener);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Begins to connect, so that the first call need not wait.
  void connect(Micros now);
  /// Queues a call: it leaves with the next flush(), or as soon as there is a connection, or fails
  /// at `deadline`. `number` is the caller's, unique among those on their way.
  void call(std::uint64_t number, Call call, Micros deadline, Micros now);
  /// Forgets a call: nothing is heard of it any more. What has left has left.
  void cancel(std::uint64_t number);
  /// To be called at the end of each turn of the loop: what was queued leaves, in one write for
  /// each connection.
  void flush(Micros now);

  // Answers of the network.
  void on_open(LinkId link, Micros now);
  void on_bytes(LinkId link, std::string_view bytes, Micros now);
  /// It ended by itself, or never came to be. `type`: refused, or timeout.
  void on_close(LinkId link, ErrorType type, std::string_view message, Micros now);
  void on_time(Micros now);

  /// True for a cluster: calls of different slots must not share a script call.
  [[nodiscard]] bool by_slot() const;
  /// A number for the server that answers the calls of a slot, the same for all who share a
  /// cluster, and as good as its own; 0 where it is not known, and wherever there is but one.
  [[nodiscard]] std::uint64_t server_of(Slot slot) const;
  /// The servers that hold counts, as far as they are known: where one has to SCAN. Of a cluster,
  /// its masters.
  [[nodiscard]] std::vector<Endpoint> masters() const;
  /// Closes everything: what is on its way fails as refused. Nothing may be called after it.
  void shut_down(Micros now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate::redis
