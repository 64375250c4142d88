// Tokens that were verified, so that a token seen before costs no cryptography.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "identity/token.hpp"
#include "tidegate/client.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

/// Bounded in entries and bytes. Any number of threads: whoever finds a token shares its set with
/// other readers; whoever finds a set being written takes the token as unknown, so nobody waits.
///
/// A keyed hash chooses the set, so that nobody can aim at one; the whole token is compared, so
/// that no collision names a client.
class TokenCache {
 public:
  /// `key` is secret and random.
  explicit TokenCache(const HashKey& key, std::size_t max_bytes = kMaxBytes);
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;
  ~TokenCache();

  /// The verdict at a time on a token that is known (`valid`: in force), and the client it names
  /// where that is valid; nothing: not known. `out` keeps its memory, so that nothing is allocated.
  std::optional<TokenVerdict> find(std::string_view token, Micros wall_us, ClientIdentity& out);
  /// Remembers a token that was verified. Makes room in its set: of tokens that have expired first,
  /// then of the one not used for longest.
  void insert(std::string_view token, TokenClaims claims, Micros wall_us);

  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSets = 2'048;
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

 private:
  struct Entry {
    std::string token;
    TokenClaims claims;
    std::atomic<std::uint64_t> used = 0;

    [[nodiscard]] std::size_t bytes() const {
      return sizeof(Entry) + token.capacity() + claims.client.capacity() + claims.tier.capacity();
    }
  };
  struct alignas(64) Set {
    std::atomic<std::uint32_t> users = 0;  ///< readers, or kWriter
    std::array<std::uint32_t, kWays> tags{};
    std::array<std::unique_ptr<Entry>, kWays> entries;
  };
  class Reading;
  class Writing;

  [[nodiscard]] std::uint64_t hash_of(std::string_view token) const {
    return siphash128(key_, token).low;
  }
  Set& set_of(std::uint64_t hash) { return sets_[hash % kSets]; }
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  /// Empties sets in turn until `bytes` more fit; false: they do not.
  bool make_room(std::size_t bytes);

  HashKey key_;
  std::size_t max_bytes_;
  std::vector<Set> sets_;
  std::atomic<std::size_t> bytes_ = 0;
  std::atomic<std::uint64_t> clock_ = 0;  ///< counts insertions: age is told by it
  std::atomic<std::size_t> hand_ = 0;     ///< the set that make_room empties next
};

}  // namespace tidegate
