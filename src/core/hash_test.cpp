#include "core/hash.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tidegate {
namespace {

constexpr HashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

// By another implementation (OpenSSL 3.0), for the bytes 00 01 02 ... and the key 00 01 ... 0f:
//   openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16
//       -macopt c-rounds:1 -macopt d-rounds:3 -in FILE SIPHASH
// whose 16 bytes are two little-endian words.
struct Vector {
  std::size_t length;
  std::uint64_t low;
  std::uint64_t high;
};
constexpr Vector kVectors[] = {
    {0, 0xbea58827b2bc7ee7, 0x013030dd6adb62fd},  {1, 0xa8edd36004376ffc, 0x63f02f2bcc73055e},
    {2, 0x9b836905097f7875, 0x95ea6a8c54c95b85},  {3, 0x9ff7dc1efaccc56b, 0x43d7eb1277182348},
    {4, 0x5a282bac714e780c, 0x252cbf8fe7928e9f},  {5, 0x0c625b3489db28f3, 0x3e849526a4295279},
    {6, 0x10e743f7293dd0dc, 0xf8a68539e8b05109},  {7, 0xc3e0aaf223b98410, 0x77ab4808c82e2fa6},
    {8, 0xb4dae3d5e1fe12aa, 0x99c7f935ab164f72},  {9, 0x9439f32c04b8dd81, 0x427c1394000e72f4},
    {10, 0x898e495d1d54aa4f, 0xb42fb287c3a40eba}, {11, 0xdb914455f39a3b72, 0x4e0c6efc3d63d6b1},
    {12, 0xa819489e85923fe5, 0x658cea9f739506dc}, {13, 0x1d80eac9c758f8b2, 0x4478656d5903d653},
    {14, 0x7222c9db6862e787, 0x78e3645f66cab026}, {15, 0x6c52bdb205557ec1, 0x09017e1eeccd2129},
    {16, 0xeb8e511557d9a8d0, 0x93179e3df8b013b5}, {63, 0x6f42fe4ee300584c, 0xad6052a70a6b9f07},
};

TEST(SipHash128, AgreesWithAnotherImplementation) {
  std::string text;
  for (const Vector& vector : kVectors) {
    while (text.size() < vector.length) text.push_back(static_cast<char>(text.size()));
    EXPECT_EQ(siphash128(kKey, text), (Hash128{vector.low, vector.high})) << vector.length;
  }
}

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
