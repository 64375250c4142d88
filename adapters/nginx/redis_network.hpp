// The driver of the Redis client for nginx: moves its bytes with a worker's event loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapters/nginx/nginx.hpp"
#include "adapters/nginx/postbox.hpp"
#include "adapters/posix/driven_network.hpp"

namespace tidegate::nginx {

/// On the thread of the worker's event loop.
class RedisNetwork final : public posix::DrivenNetwork {
 public:
  /// `clock` tells microseconds that do not go back. Names are resolved on a thread, which answers
  /// through `postbox`.
  RedisNetwork(std::shared_ptr<Postbox> postbox, std::function<Micros()> clock);
  RedisNetwork(const RedisNetwork&) = delete;
  RedisNetwork& operator=(const RedisNetwork&) = delete;
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

  [[nodiscard]] Link* find(redis::LinkId link) const;
  void lost(redis::LinkId link, redis::ErrorType type, std::string_view message);
  void turn_ended();
  void woken();

  std::shared_ptr<Postbox> postbox_;
  std::function<Micros()> clock_;
  redis::Client* client_ = nullptr;
  std::function<void(Micros)> end_of_turn_;
  std::unordered_map<redis::LinkId, std::unique_ptr<Link>> links_;
  ngx_event_t turn_{};
  ngx_event_t timer_{};
  Micros wanted_ = kNever;                ///< when the client wants to be woken
  Micros armed_ = kNever;                 ///< when the timer fires, which may be earlier
  std::shared_ptr<RedisNetwork*> alive_;  ///< null within: what threads find out comes too late
};

}  // namespace tidegate::nginx
