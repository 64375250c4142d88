// The names of keys in Redis.
//
//   <key_prefix>:{<namespace>:<client>}:<rule>:<algorithm>:<window in ms>   a count
//   <key_prefix>:{<namespace>:<client>}:<rule>:violation   when the client last made one
//   <key_prefix>:{<namespace>:<client>}:violations         how many, and since when
//   <key_prefix>:{<namespace>:<client>}:cooldown           until when the client is locked out
//
// <client> is 22 characters of base64url: the keyed hash of the client's text. What stands in
// braces chooses the slot of a cluster, so all that is a client's is in one. Neither prefix nor
// namespace may hold a brace.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/hash.hpp"
#include "store/charge.hpp"

namespace tidegate::redis {

/// Used where no secret is configured: known to everybody who has read this. Whoever knows it can
/// work out the key of a client from its text, and make clients whose keys are in one slot.
inline constexpr HashKey kPublicHashKey{0x7469'6465'6761'7465, 0x7075'626c'6963'6b65};

/// The key that a configured secret stands for: the first half of its SHA-256.
[[nodiscard]] HashKey hash_key_of(std::string_view secret);

/// Immutable; thread-safe.
class KeyNames {
 public:
  KeyNames(std::string_view prefix, std::string_view name_space)
      : begin_(std::string(prefix) + ":{" + std::string(name_space) + ":") {}

  [[nodiscard]] std::string count(const Hash128& client, const Counter& counter) const;
  [[nodiscard]] std::string violation(const Hash128& client, const Counter& counter) const;
  [[nodiscard]] std::string violations(const Hash128& client) const;
  [[nodiscard]] std::string cooldown(const Hash128& client) const;
  /// What Redis calls a glob: every count under a rule, of all clients.
  [[nodiscard]] std::string pattern(const Counter& counter) const;

 private:
  /// The client's part of a key, with room for `tail` bytes more.
  [[nodiscard]] std::string of(const Hash128& client, std::size_t tail = 0) const;

  std::string begin_;  ///< up to the client
};

}  // namespace tidegate::redis
