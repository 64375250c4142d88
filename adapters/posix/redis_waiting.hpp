// Decisions through Redis for whoever has no event loop, and waits; and what operators ask of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "adapters/posix/generation.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::posix {

/// Any number of threads. Each that decides borrows a session with a connection of its own; there
/// are as many as `pool_size` allows, and whoever finds none waits for one.
class RedisWaiting {
 public:
  explicit RedisWaiting(Limiter& limiter);
  ~RedisWaiting();
  RedisWaiting(const RedisWaiting&) = delete;
  RedisWaiting& operator=(const RedisWaiting&) = delete;

  void decide(const Request& request, Decision& out) noexcept;
  /// In a child of fork: connections are the parent's.
  void after_fork();

 private:
  struct Session;
  [[nodiscard]] std::unique_ptr<Session> borrow();
  void give_back(std::unique_ptr<Session> session);

  Limiter& limiter_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t sessions_ = 0;
};

// What operators ask, on a connection of its own, which waits for up to `socket_timeout`. Any
// thread. An error says why Redis did not answer.

/// As Engine::peek; and how long the client is locked out.
struct RedisPeek {
  std::vector<WindowState> windows;
  Micros cooldown_us = 0;
};
[[nodiscard]] std::expected<RedisPeek, Error> redis_peek(const Generation& generation,
                                                         std::string_view client,
                                                         std::string_view rule,
                                                         std::string_view tier);
/// As Engine::reset.
[[nodiscard]] std::expected<std::size_t, Error> redis_reset(const Generation& generation,
                                                            std::string_view client,
                                                            std::string_view rule);
/// As Engine::reset_rule, by looking through all keys of all masters: how many there were to
/// forget.
[[nodiscard]] std::expected<std::size_t, Error> redis_reset_rule(const Generation& generation,
                                                                 std::string_view rule);

}  // namespace tidegate::posix
