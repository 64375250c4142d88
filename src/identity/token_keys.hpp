// The keys that tokens are verified with. Over OpenSSL's EVP, which knows every algorithm we take.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/config.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace tidegate {

enum class TokenAlgorithm : std::uint8_t {
  hs256,
  hs384,
  hs512,
  rs256,
  rs384,
  rs512,
  ps256,
  es256,
  es384,
  eddsa
};
/// By its name in tokens, in exactly that spelling: "RS256".
[[nodiscard]] std::optional<TokenAlgorithm> find_algorithm(std::string_view name);
/// The algorithms that a configuration names.
[[nodiscard]] std::vector<TokenAlgorithm> algorithms_of(const JwtConfig& config);

/// What an algorithm needs.
enum class KeyKind : std::uint8_t { secret, rsa, p256, p384, ed25519 };
[[nodiscard]] KeyKind kind_of(TokenAlgorithm algorithm);

struct TokenKey {
  KeyKind kind = KeyKind::secret;
  std::string id;                           ///< `kid` in a key set; "": it has none
  std::optional<TokenAlgorithm> algorithm;  ///< the only one it is for, if the key set says so
  std::string secret;                       ///< of KeyKind::secret
  std::shared_ptr<evp_pkey_st> key;         ///< of the others

  /// Whether `signature` is that of `text`. Never throws. Any thread.
  [[nodiscard]] bool verifies(TokenAlgorithm algorithm, std::string_view text,
                              std::string_view signature) const;
};

/// Immutable.
struct TokenKeys {
  std::vector<TokenKey> keys;
  bool selected_by_id = false;  ///< a key set: the token's `kid` says which

  /// The secret of HS256, HS384 and HS512: 32 bytes at least.
  [[nodiscard]] static std::expected<TokenKeys, std::string> from_secret(std::string_view secret);
  /// One public key or certificate in PEM, which every algorithm must fit.
  [[nodiscard]] static std::expected<TokenKeys, std::string> from_pem(
      std::string_view pem, std::span<const TokenAlgorithm> algorithms);
  /// A key set (RFC 7517). Keys of other kinds, for encryption or for other algorithms are left
  /// out; one must remain. Weak or private keys, and two of one kind with one `kid`, are errors.
  [[nodiscard]] static std::expected<TokenKeys, std::string> from_jwks(
      std::string_view json, std::span<const TokenAlgorithm> algorithms);
};

/// From where a configuration says: `material` is the value of secret_env, or the text of the file.
/// An error says what is wrong with it.
[[nodiscard]] std::expected<TokenKeys, std::string> read_token_keys(const JwtConfig& config,
                                                                    std::string_view material);

}  // namespace tidegate
