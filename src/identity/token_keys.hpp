// The keys that tokens are checked with, from a secret, a PEM file or a JWKS file.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/signature.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

/// Immutable; thread-safe.
class TokenKeys {
 public:
  /// No keys: for tokens whose signature nobody looks at.
  TokenKeys() = default;
  [[nodiscard]] static std::expected<TokenKeys, Error> from_secret(std::string_view secret);
  /// One public key, which `kid` does not select.
  [[nodiscard]] static std::expected<TokenKeys, Error> from_pem(std::string_view pem);
  /// A JWK Set (RFC 7517). Keys of it that are weak, for encryption, or of a kind that we do not
  /// know are set aside, as the RFC wants it; an error where no key is left.
  [[nodiscard]] static std::expected<TokenKeys, Error> from_jwks(std::string_view json);
  /// By whichever source is configured, of which `text` is the content.
  [[nodiscard]] static std::expected<TokenKeys, Error> from_source(const JwtConfig& config,
                                                                   std::string_view text);

  struct Checked {
    TokenVerdict verdict;   ///< valid, bad_signature or unknown_key
    std::size_t tried = 0;  ///< keys: what it cost
  };
  /// Checks `signature` of `text` with the keys of the right kind that `kid` names, or, without
  /// one, with all of the right kind.
  [[nodiscard]] Checked check(SignatureAlgorithm algorithm, const std::optional<std::string>& kid,
                              std::string_view text, std::string_view signature) const;

  [[nodiscard]] bool has_kind(KeyKind kind) const;
  /// Why keys of the set were set aside, one line each.
  [[nodiscard]] const std::vector<std::string>& set_aside() const { return set_aside_; }

 private:
  struct Key {
    VerificationKey key;
    std::optional<std::string> kid = {};
    std::optional<SignatureAlgorithm> algorithm = {};  ///< the only one that it is for
  };
  std::vector<Key> keys_;
  bool by_kid_ = false;
  std::vector<std::string> set_aside_;
};

/// The file that a configuration takes keys from; "" where it takes a secret.
[[nodiscard]] inline const std::string& key_file_of(const JwtConfig& config) {
  return config.jwks_file.empty() ? config.public_key_file : config.jwks_file;
}

/// A larger set is refused: a token without `kid` is tried with every key of its kind.
inline constexpr std::size_t kMaxTokenKeys = 64;

}  // namespace tidegate
