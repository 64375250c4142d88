#include "core/hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tidegate {
namespace {

constexpr HashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

TEST(SipHash128, TellsTextsOfEveryLengthApart) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::string text;
  for (int length = 0; length < 200; ++length) {
    const Hash128 hash = siphash128(kKey, text);
    EXPECT_TRUE(seen.emplace(hash.low, hash.high).second) << "length " << length;
    text.push_back('\0');  // only the length differs
  }
}

TEST(SipHash128, DependsOnBothHalvesOfTheKey) {
  const Hash128 hash = siphash128(kKey, "ip:203.0.113.7");
  EXPECT_NE(hash, siphash128({kKey.k0 ^ 1, kKey.k1}, "ip:203.0.113.7"));
  EXPECT_NE(hash, siphash128({kKey.k0, kKey.k1 ^ 1}, "ip:203.0.113.7"));
}

TEST(SipHash128, EachInputBitChangesAboutHalfOfTheOutput) {
  const std::string text = "ip:2001:db8:1:2::/64";
  const Hash128 hash = siphash128(kKey, text);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    const Hash128 difference = hash ^ siphash128(kKey, other);
    const int changed =
        __builtin_popcountll(difference.low) + __builtin_popcountll(difference.high);
    EXPECT_GT(changed, 32) << "bit " << bit;
    EXPECT_LT(changed, 96) << "bit " << bit;
  }
}

}  // namespace
}  // namespace tidegate
