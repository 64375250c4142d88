#include "core/hash.hpp"

#include <bit>
#include <cstring>

namespace tidegate {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void compress(std::uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
  std::uint64_t finish(std::uint64_t mark_v1, std::uint64_t mark_v2) {
    v1 ^= mark_v1;
    v2 ^= mark_v2;
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);  // little-endian: x86-64 only
  return word;
}

/// Fewer than 8 bytes with nothing before them.
std::uint64_t load_tail(const char* at, std::size_t size) {
  std::uint64_t tail = 0;
  for (std::size_t i = 0; i < size; ++i) {
    tail |= std::uint64_t{static_cast<unsigned char>(at[i])} << 8 * i;
  }
  return tail;
}

}  // namespace

Hash128 siphash128(const HashKey& key, std::string_view text) {
  // The four constants spell "somepseudorandomlygeneratedbytes"; 0xee marks the 128-bit variant.
  State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d ^ 0xee,
          key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573};
  const char* at = text.data();
  const char* const end = at + text.size() / 8 * 8;
  for (; at != end; at += 8) s.compress(load_word(at));

  std::uint64_t last = static_cast<std::uint64_t>(text.size()) << 56;
  if (const std::size_t rest = text.size() % 8; rest != 0) {
    last |= text.size() > 8 ? load_word(at + rest - 8) >> (64 - 8 * rest) : load_tail(at, rest);
  }
  s.compress(last);

  const std::uint64_t low = s.finish(0, 0xee);
  const std::uint64_t high = s.finish(0xdd, 0);
  return {low, high};
}

}  // namespace tidegate
