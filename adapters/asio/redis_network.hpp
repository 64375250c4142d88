// The driver of the Redis client for Asio: moves its bytes with the event loop of whoever asks.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>

#include "adapters/posix/driven_network.hpp"

namespace tidegate::server {

/// One thread: that which runs the context. Destroy it before the context; what is still under way
/// then ends without a word.
class RedisNetwork final : public posix::DrivenNetwork {
 public:
  /// `clock` tells microseconds that do not go back.
  RedisNetwork(boost::asio::io_context& context, std::function<Micros()> clock);
  ~RedisNetwork() override;

  void drive(redis::Client& client, std::function<void(Micros now)> end_of_turn) override;
  void end_turn() override;
  [[nodiscard]] Micros now() const override { return clock_(); }

  void open(redis::LinkId link, const redis::Endpoint& to) override;
  void write(redis::LinkId link, std::string_view bytes) override;
  void close(redis::LinkId link) override;
  void wake_at(Micros time) override;

 private:
  class Link;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  /// What handlers hold, so that they notice when the network is gone.
  struct Alive {};

  void arm(Micros time);
  void lost(redis::LinkId link, redis::ErrorType type, std::string_view message);

  boost::asio::io_context& context_;
  std::function<Micros()> clock_;
  redis::Client* client_ = nullptr;
  std::function<void(Micros)> end_of_turn_;
  std::unordered_map<redis::LinkId, std::shared_ptr<Link>> links_;
  Timer timer_;
  Micros wanted_ = kNever;  ///< when the client wants to be woken
  Micros armed_ = kNever;   ///< when the timer fires, which may be earlier
  bool turn_ends_ = false;
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

}  // namespace tidegate::server
