// What a simulated Redis server holds, and the scripts that decide checks as it executes them: a
// C++ twin over the algorithms of src/algo, as tests/redis/scripts_test.cpp finds the Lua to be.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"

namespace tidegate::simulation {

/// The state of one count.
struct Value {
  Ticks word = 0;           ///< of the algorithms that have one
  std::vector<Micros> log;  ///< of sliding_window: the times of admissions, the oldest first
  Micros expires_at = 0;    ///< by the server's clock
};

using Keyspace = std::map<std::string, Value, std::less<>>;

/// One group that a script call decided.
struct Decided {
  std::string key;  ///< of its first charge
  std::uint64_t cost = 0;
  bool admitted = false;
};

/// What a call of the script did.
struct Executed {
  std::string reply;  ///< as it is sent
  std::vector<Decided> decided;
  std::vector<std::string> written;  ///< keys
};

/// Executes a call of a script: `words` are the keys and then the arguments. `refuse_writes` is
/// the error that a write ends in, which ends the call; empty: none does. An error is what the
/// server answers.
[[nodiscard]] std::expected<Executed, std::string> execute_checks(
    std::string_view sha1, const std::vector<std::string>& words, std::size_t keys, Micros now,
    std::string_view refuse_writes, Keyspace& data);

// Replies, as they are sent.
[[nodiscard]] std::string error_reply(std::string_view text);
[[nodiscard]] std::string status_reply(std::string_view text);
[[nodiscard]] std::string integer_reply(std::uint64_t number);
[[nodiscard]] std::string text_reply(std::string_view text);
[[nodiscard]] std::string array_reply(const std::vector<std::string>& elements);

}  // namespace tidegate::simulation
