// What a driver of the Redis client offers beyond the network itself: it calls the client back, and
// ends a turn when there is something to send.
#pragma once

#include <functional>

#include "store/redis/client.hpp"
#include "store/redis/network.hpp"

namespace tidegate::posix {

/// Belongs to one event loop, and is used on its thread only.
class DrivenNetwork : public redis::Network {
 public:
  /// Whose links these are, and what is called at the end of a turn. Before anything else.
  virtual void drive(redis::Client& client, std::function<void(Micros now)> end_of_turn) = 0;
  /// Something waits to be sent: end_of_turn is called once when whatever is ready now has run.
  virtual void end_turn() = 0;
  /// The clock of its events, microseconds; does not go back.
  [[nodiscard]] virtual Micros now() const = 0;
};

}  // namespace tidegate::posix
