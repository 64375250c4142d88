// Tokens signed with a secret, for tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <string>
#include <string_view>

#include "core/base64url.hpp"
#include "identity/token_keys.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

inline const std::string kTestSecret(32, 's');
inline constexpr std::string_view kHs256 = R"({"alg":"HS256"})";

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
