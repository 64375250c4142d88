#include "store/redis/keys.hpp"

#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <stdexcept>

#include "core/base64url.hpp"

namespace tidegate::redis {
namespace {

constexpr Micros kMilli = 1'000;

constexpr std::size_t kClientChars = 22;
constexpr std::size_t kNumberChars = 20;

void append_tail(const Counter& counter, std::string& key) {
  std::array<char, kNumberChars> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                 counter.window.window_us / kMilli);
  key += ':';
  key += counter.rule_name;
  key += ':';
  key += to_string(counter.window.algorithm);
  key += ':';
  key.append(digits.data(), end.ptr);
}

std::size_t tail_size(const Counter& counter) {
  return 3 + counter.rule_name.size() + to_string(counter.window.algorithm).size() + kNumberChars;
}

}  // namespace

HashKey hash_key_of(std::string_view secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  if (EVP_Digest(secret.data(), secret.size(), digest.data(), nullptr, EVP_sha256(), nullptr) !=
      1) {
    throw std::runtime_error("OpenSSL has no SHA-256");
  }
  HashKey key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.k0 = key.k0 << 8 | digest[i];
    key.k1 = key.k1 << 8 | digest[8 + i];
  }
  return key;
}

std::string KeyNames::of(const Hash128& client, std::size_t tail) const {
  std::array<char, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(client.low >> 8 * i);
    bytes[8 + i] = static_cast<char>(client.high >> 8 * i);
  }
  std::string key;
  key.reserve(begin_.size() + kClientChars + 1 + tail);
  key += begin_;
  append_base64url({bytes.data(), bytes.size()}, key);
  key += '}';
  return key;
}

std::string KeyNames::count(const Hash128& client, const Counter& counter) const {
  std::string key = of(client, tail_size(counter));
  append_tail(counter, key);
  return key;
}

std::string KeyNames::violation(const Hash128& client, const Counter& counter) const {
  constexpr std::string_view kEnd = ":violation";
  std::string key = of(client, 1 + counter.rule_name.size() + kEnd.size());
  key += ':';
  key += counter.rule_name;
  key += kEnd;
  return key;
}

std::string KeyNames::violations(const Hash128& client) const { return of(client) + ":violations"; }

std::string KeyNames::cooldown(const Hash128& client) const { return of(client) + ":cooldown"; }

std::string KeyNames::pattern(const Counter& counter) const {
  std::string glob;
  std::string key = begin_ + "\x01";
  append_tail(counter, key);
  for (const char c : key) {
    if (c == '\x01') {
      glob += "*}";
      continue;
    }
    if (std::string_view("*?[]\\^").find(c) != std::string_view::npos) glob += '\\';
    glob += c;
  }
  return glob;
}

}  // namespace tidegate::redis
