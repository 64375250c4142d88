// Keyed SipHash with 128 bits of output. The text of a client is chosen by whoever sends the
// request, so the hash must be one that nobody without the key can aim at.
#pragma once

#include <cstdint>
#include <string_view>

namespace tidegate {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend constexpr Hash128 operator^(Hash128 a, Hash128 b) {
    return {a.low ^ b.low, a.high ^ b.high};
  }
};

/// 128 secret bits. Random, and kept where only the sharers of a count can read it.
struct HashKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
  friend bool operator==(const HashKey&, const HashKey&) = default;
};

/// SipHash-1-3 with 128 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF";
/// one compression and three finalisation rounds). Any length; no allocation; thread-safe.
[[nodiscard]] Hash128 siphash128(const HashKey& key, std::string_view text);

}  // namespace tidegate
