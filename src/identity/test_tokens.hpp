// Tokens signed with a secret, for tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <string>
#include <string_view>

#include "identity/token_keys.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

inline const std::string kTestSecret(32, 's');
inline constexpr std::string_view kHs256 = R"({"alg":"HS256"})";

inline std::string encode_base64url(std::string_view bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) text += kAlphabet[bits >> (held - 6) & 0x3f];
  }
  if (held > 0) text += kAlphabet[bits << (6 - held) & 0x3f];
  return text;
}

/// A token of these texts, whatever they are, with an HMAC by SHA-256.
inline std::string signed_token(std::string_view payload, std::string_view header = kHs256,
                                std::string_view secret = kTestSecret) {
  std::string token = encode_base64url(header) + '.' + encode_base64url(payload);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac.data(), &size);
  token += '.';
  return token + encode_base64url({reinterpret_cast<const char*>(mac.data()), size});
}

inline TokenKeys test_keys() { return TokenKeys::from_secret(kTestSecret).value(); }

}  // namespace tidegate
