#include "store/redis/keys.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <stdexcept>

#include "core/base64url.hpp"

namespace tidegate::redis {
namespace {

constexpr Micros kMilli = 1'000;

std::string tail_of(const Counter& counter) {
  std::string tail(":");
  tail += counter.rule_name;
  tail += ':';
  tail += to_string(counter.window.algorithm);
  tail += ':';
  tail += std::to_string(counter.window.window_us / kMilli);
  return tail;
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

std::string KeyNames::of(const Hash128& client) const {
  std::array<char, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(client.low >> 8 * i);
    bytes[8 + i] = static_cast<char>(client.high >> 8 * i);
  }
  std::string key = begin_;
  append_base64url({bytes.data(), bytes.size()}, key);
  key += '}';
  return key;
}

std::string KeyNames::count(const Hash128& client, const Counter& counter) const {
  return of(client) + tail_of(counter);
}

std::string KeyNames::violation(const Hash128& client, const Counter& counter) const {
  return of(client) + ":" + std::string(counter.rule_name) + ":violation";
}

std::string KeyNames::violations(const Hash128& client) const { return of(client) + ":violations"; }

std::string KeyNames::cooldown(const Hash128& client) const { return of(client) + ":cooldown"; }

std::string KeyNames::pattern(const Counter& counter) const {
  std::string glob;
  for (const char c : begin_ + "\x01" + tail_of(counter)) {
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
