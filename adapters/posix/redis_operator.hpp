// What operators ask of Redis: on a connection of their own, waiting for up to `socket_timeout`.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/posix/generation.hpp"
#include "store/check.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

// Any thread. An error says why Redis did not answer.

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

/// A store of its own in Redis for a replay: in a namespace that nobody else has, and which is
/// empty again when it is destroyed. One thread.
class RedisReplay {
 public:
  explicit RedisReplay(const LoadedConfig& loaded);
  ~RedisReplay();
  RedisReplay(const RedisReplay&) = delete;
  RedisReplay& operator=(const RedisReplay&) = delete;

  [[nodiscard]] std::expected<Cooldown, Error> ask(const Check& check, Micros t_us,
                                                   std::span<Verdict> verdicts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A key that a client may have in Redis.
struct RedisKey {
  std::string key;
  std::string rule;         ///< "" for what belongs to no rule
  std::uint64_t limit = 0;  ///< of the count; 0: it is no count
};
/// All that a client may have, whatever his tier. Asks nobody. An error says why the configuration
/// cannot be compiled.
[[nodiscard]] std::expected<std::vector<RedisKey>, Error> redis_keys(const LoadedConfig& loaded,
                                                                     std::string_view client);
/// What all hosts hash clients with, so that they count together.
[[nodiscard]] HashKey redis_hash_key(const LoadedConfig& loaded);

}  // namespace tidegate::posix
