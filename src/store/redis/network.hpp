// What the client wants of the world, and all that it wants: bytes carried, and to be woken. A
// driver does it with the event loop that somebody else owns; the simulation does it with a heap.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/time.hpp"

namespace tidegate::redis {

/// Where a server listens.
struct Endpoint {
  std::string host;  ///< a name, or an address without brackets
  std::uint16_t port = 6379;
  std::string path;  ///< of a unix socket; then host and port mean nothing

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// One attempt to have a connection. Numbers are never used twice.
using LinkId = std::uint64_t;

/// Implemented by drivers. The client calls it; a driver answers later through the client's on_...
/// functions, never from within one of these.
class Network {
 public:
  virtual ~Network() = default;
  /// Resolves and connects. Answered by on_open or on_close. Gives up when told to by close().
  virtual void open(LinkId link, const Endpoint& to) = 0;
  /// Sends all of `bytes`, in order, after what was written before; keeps a copy of what it cannot
  /// send at once. Only on a link that is open.
  virtual void write(LinkId link, std::string_view bytes) = 0;
  /// Ends a link, whatever state it is in. Nothing more is heard of it, on_close neither.
  virtual void close(LinkId link) = 0;
  /// Asks for on_time() at `time`, or soon after; replaces what was asked for before. kNever: not
  /// at all.
  virtual void wake_at(Micros time) = 0;

  static constexpr Micros kNever = ~Micros{0};
};

}  // namespace tidegate::redis
