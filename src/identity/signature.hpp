// Keys and signatures of tokens, by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include "tidegate/error.hpp"

struct evp_pkey_st;
struct evp_mac_ctx_st;

namespace tidegate {

/// Those of RFC 7518 and 8037 that may be configured. There is none for "none".
enum class SignatureAlgorithm : std::uint8_t {
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
/// By the name it has in tokens and configurations, as "RS256". Exactly: case counts.
[[nodiscard]] std::optional<SignatureAlgorithm> algorithm_named(std::string_view name);

/// What a key can be. Every algorithm takes one kind, and no other fits: a public key is never a
/// secret, and a point of one curve is none of another.
enum class KeyKind : std::uint8_t { secret, rsa, p256, p384, ed25519 };
[[nodiscard]] KeyKind kind_for(SignatureAlgorithm algorithm);
/// "a secret", "an RSA key", ...
[[nodiscard]] std::string_view to_string(KeyKind kind);

inline constexpr std::size_t kMinSecretBytes = 32;
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;  // a longer one would be a way to burn processor time

/// A key that signatures are checked with. Immutable; thread-safe. Moving leaves nothing behind.
class VerificationKey {
 public:
  // Each refuses what is weak or no key, and says why.
  [[nodiscard]] static std::expected<VerificationKey, Error> from_secret(std::string_view secret);
  /// One block "PUBLIC KEY": RSA, P-256, P-384 or Ed25519.
  [[nodiscard]] static std::expected<VerificationKey, Error> from_pem(std::string_view pem);
  // Of the bytes that a JWK holds.
  [[nodiscard]] static std::expected<VerificationKey, Error> rsa(std::string_view modulus,
                                                                 std::string_view exponent);
  [[nodiscard]] static std::expected<VerificationKey, Error> ec(KeyKind curve, std::string_view x,
                                                                std::string_view y);
  [[nodiscard]] static std::expected<VerificationKey, Error> ed25519(std::string_view point);

  [[nodiscard]] KeyKind kind() const { return kind_; }
  /// Whether `signature`, in the form that a token has it in, is one of `text` with this key. False
  /// for an algorithm of another kind.
  [[nodiscard]] bool verify(SignatureAlgorithm algorithm, std::string_view text,
                            std::string_view signature) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
    void operator()(evp_mac_ctx_st* mac) const;
  };
  using PublicKey = std::unique_ptr<evp_pkey_st, Free>;
  using Mac = std::unique_ptr<evp_mac_ctx_st, Free>;

  VerificationKey(KeyKind kind, PublicKey key) : kind_(kind), public_(std::move(key)) {}
  /// Tells the kind of a key that OpenSSL has read, and refuses what is weak.
  static std::expected<VerificationKey, Error> judge(PublicKey key);
  static std::expected<VerificationKey, Error> build(const char* type, void* parameters);
  [[nodiscard]] bool verify_mac(SignatureAlgorithm algorithm, std::string_view text,
                                std::string_view signature) const;

  KeyKind kind_ = KeyKind::secret;
  PublicKey public_;
  std::array<Mac, 3> macs_;  ///< of a secret: ready for HS256, HS384, HS512
};

}  // namespace tidegate
