#include <openssl/evp.h>

#include <array>
#include <stdexcept>

#include "store/redis/client.hpp"

namespace tidegate::redis {
namespace {

constexpr std::uint16_t kSlots = 16'384;

/// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, begins with 0.
constexpr auto kCrcTable = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

/// What stands between the first { and the next }, if that is not nothing; else all of it.
std::string_view tag_of(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const std::size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

Slot slot_of(std::string_view key) {
  unsigned crc = 0;
  for (const char c : tag_of(key)) {
    crc = (crc << 8 ^ kCrcTable[(crc >> 8 ^ static_cast<unsigned char>(c)) & 0xff]) & 0xffff;
  }
  return static_cast<Slot>(crc % kSlots);
}

Script make_script(std::string text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-1");
  }
  Script script{.text = std::move(text), .sha1 = {}};
  constexpr std::string_view kHex = "0123456789abcdef";
  for (unsigned i = 0; i < size; ++i) {
    script.sha1 += kHex[digest[i] >> 4];
    script.sha1 += kHex[digest[i] & 0xf];
  }
  return script;
}

}  // namespace tidegate::redis
