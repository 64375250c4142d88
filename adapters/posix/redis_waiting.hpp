// Decisions through Redis for whoever has no event loop, and waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "tidegate/decision.hpp"
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
  struct Borrowed;
  [[nodiscard]] std::unique_ptr<Session> borrow();
  void give_back(std::unique_ptr<Session> session);

  Limiter& limiter_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t sessions_ = 0;
};

}  // namespace tidegate::posix
