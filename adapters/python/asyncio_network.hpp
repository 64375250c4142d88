// The driver of the Redis client for an asyncio loop: transports of the loop carry the bytes, no
// thread and no loop of our own.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "adapters/posix/driven_network.hpp"

namespace tidegate::python {

/// Belongs to the thread of its loop, which holds the interpreter's lock whenever it calls.
/// `driver` is a tidegate._network.Driver of its own, which does what this asks: open, write,
/// close, wake and end_turn.
class AsyncioNetwork final : public posix::DrivenNetwork {
 public:
  AsyncioNetwork(nanobind::object driver, std::function<Micros()> clock);
  AsyncioNetwork(const AsyncioNetwork&) = delete;
  AsyncioNetwork& operator=(const AsyncioNetwork&) = delete;
  /// The driver tells nothing from then on.
  ~AsyncioNetwork() override;

  void drive(redis::Client& client, std::function<void(Micros now)> end_of_turn) override;
  void end_turn() override;
  [[nodiscard]] Micros now() const override { return clock_(); }

  void open(redis::LinkId link, const redis::Endpoint& to) override;
  void write(redis::LinkId link, std::string_view bytes) override;
  void close(redis::LinkId link) override;
  void wake_at(Micros time) override;

  // What the driver calls.
  void opened(redis::LinkId link);
  void received(redis::LinkId link, std::string_view bytes);
  /// `timed_out`: nobody answered; else it was refused, or ended.
  void lost(redis::LinkId link, bool timed_out, std::string_view message);
  void woken();
  void turn_ended();

 private:
  nanobind::object driver_;
  std::function<Micros()> clock_;
  redis::Client* client_ = nullptr;
  std::function<void(Micros)> end_of_turn_;
  Micros wanted_ = kNever;  ///< when the client wants to be woken
  Micros armed_ = kNever;   ///< when the driver's timer fires, which may be earlier
  bool turn_ends_ = false;
};

}  // namespace tidegate::python
