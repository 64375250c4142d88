#include "identity/token_keys.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <boost/json/value.hpp>

#include "core/strict_json.hpp"
#include "identity/base64url.hpp"

namespace tidegate {
namespace {

namespace json = boost::json;

constexpr std::size_t kLeastSecretBytes = 32;
constexpr int kLeastRsaBits = 2048;
/// A verification takes time with the square of it.
constexpr int kMostRsaBits = 8192;
constexpr std::size_t kMostKeys = 100;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* it) const {
    Free(it);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Key = std::shared_ptr<EVP_PKEY>;

struct Known {
  std::string_view name;
  TokenAlgorithm algorithm;
  KeyKind kind;
  const char* digest;  ///< null: the algorithm has its own
};
constexpr std::array kKnown{
    Known{"HS256", TokenAlgorithm::hs256, KeyKind::secret, "SHA256"},
    Known{"HS384", TokenAlgorithm::hs384, KeyKind::secret, "SHA384"},
    Known{"HS512", TokenAlgorithm::hs512, KeyKind::secret, "SHA512"},
    Known{"RS256", TokenAlgorithm::rs256, KeyKind::rsa, "SHA256"},
    Known{"RS384", TokenAlgorithm::rs384, KeyKind::rsa, "SHA384"},
    Known{"RS512", TokenAlgorithm::rs512, KeyKind::rsa, "SHA512"},
    Known{"PS256", TokenAlgorithm::ps256, KeyKind::rsa, "SHA256"},
    Known{"ES256", TokenAlgorithm::es256, KeyKind::p256, "SHA256"},
    Known{"ES384", TokenAlgorithm::es384, KeyKind::p384, "SHA384"},
    Known{"EdDSA", TokenAlgorithm::eddsa, KeyKind::ed25519, nullptr},
};
const Known& known(TokenAlgorithm algorithm) { return kKnown[static_cast<std::size_t>(algorithm)]; }

std::string_view name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::secret:
      return "a secret";
    case KeyKind::rsa:
      return "an RSA key";
    case KeyKind::p256:
      return "a key on the curve P-256";
    case KeyKind::p384:
      return "a key on the curve P-384";
    case KeyKind::ed25519:
      return "an Ed25519 key";
  }
  return "";
}

/// Looked up once: OpenSSL's own look-up costs as much as a small hash.
const EVP_MD* digest_of(TokenAlgorithm algorithm) {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static const EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  const char* const name = known(algorithm).digest;
  if (name == nullptr) return nullptr;
  return std::string_view(name) == "SHA256"   ? sha256
         : std::string_view(name) == "SHA384" ? sha384
                                              : sha512;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// r and s, each in half of the text, as OpenSSL wants them. Nothing if the length is another.
std::optional<std::string> der_of(std::string_view raw, std::size_t half) {
  if (raw.size() != 2 * half) return std::nullopt;
  const Signature signature(ECDSA_SIG_new());
  Number r(BN_bin2bn(bytes(raw), static_cast<int>(half), nullptr));
  Number s(BN_bin2bn(bytes(raw) + half, static_cast<int>(half), nullptr));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return std::nullopt;
  }
  std::ignore = r.release();
  std::ignore = s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool verify_secret(TokenAlgorithm algorithm, const std::string& secret, std::string_view text,
                   std::string_view signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
  unsigned size = 0;
  if (HMAC(digest_of(algorithm), secret.data(), static_cast<int>(secret.size()), bytes(text),
           text.size(), expected.data(), &size) == nullptr) {
    return false;
  }
  return signature.size() == size && CRYPTO_memcmp(expected.data(), signature.data(), size) == 0;
}

bool verify_public(TokenAlgorithm algorithm, EVP_PKEY* key, std::string_view text,
                   std::string_view signature) {
  thread_local const DigestContext context(EVP_MD_CTX_new());
  if (!context || EVP_MD_CTX_reset(context.get()) != 1) return false;
  EVP_PKEY_CTX* of_key = nullptr;
  if (EVP_DigestVerifyInit(context.get(), &of_key, digest_of(algorithm), nullptr, key) != 1) {
    return false;
  }
  if (algorithm == TokenAlgorithm::ps256 &&
      (EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) != 1 ||
       EVP_PKEY_CTX_set_rsa_mgf1_md(of_key, digest_of(algorithm)) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text),
                          text.size()) == 1;
}

/// Points whose multiples are few: with one as key, signatures can be made without any secret. The
/// y of each, the sign of x left out; low bytes first (RFC 8032, 5.1.2).
bool has_small_order(std::string_view point) {
  constexpr std::array<std::array<unsigned char, 32>, 7> kPoints{{
      {},
      {1},
      {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
      {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
      {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
      {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
       0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
       0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
      {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
       0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
       0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
  }};
  std::array<unsigned char, 32> y{};
  std::ranges::copy(point, y.begin());
  y[31] &= 0x7f;
  return std::ranges::find(kPoints, y) != kPoints.end();
}

/// Which kind a public key is, or what is wrong with it.
std::expected<KeyKind, std::string> check(EVP_PKEY* key) {
  const Context context(EVP_PKEY_CTX_new(key, nullptr));
  const auto sound = [&] { return context && EVP_PKEY_public_check(context.get()) == 1; };
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < kLeastRsaBits || bits > kMostRsaBits) {
      return std::unexpected(fmt::format("an RSA key of {} bits, allowed: {} to {}", bits,
                                         kLeastRsaBits, kMostRsaBits));
    }
    if (!sound()) return std::unexpected("an RSA key that is not sound");
    return KeyKind::rsa;
  }
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    std::array<char, 64> curve{};
    std::size_t size = 0;
    EVP_PKEY_get_group_name(key, curve.data(), curve.size(), &size);
    const std::string_view name(curve.data(), size);
    if (name != "prime256v1" && name != "secp384r1") {
      return std::unexpected(
          fmt::format("a key on the curve {}, allowed: P-256 (ES256) or P-384 (ES384)", name));
    }
    if (!sound()) return std::unexpected("a key that is no point of its curve");
    return name == "prime256v1" ? KeyKind::p256 : KeyKind::p384;
  }
  if (EVP_PKEY_is_a(key, "ED25519") == 1) {
    std::string point(32, '\0');
    std::size_t size = point.size();
    if (EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(point.data()), &size) !=
            1 ||
        has_small_order(point)) {
      return std::unexpected("an Ed25519 key of small order");
    }
    return KeyKind::ed25519;
  }
  return std::unexpected("a key of another kind, allowed: RSA, EC (P-256, P-384), Ed25519");
}

Key take(EVP_PKEY* key) { return {key, Freed<EVP_PKEY_free>{}}; }

/// From parameters that `add` puts in.
template <class Add>
Key key_from(const char* kind, Add add) {
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || !add(builder.get())) return nullptr;
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return take(key);
}

/// A member of a key that is a string; "" if it is not there.
std::expected<std::string_view, std::string> text_of(const json::object& jwk,
                                                     std::string_view name) {
  const json::value* value = jwk.if_contains(name);
  if (value == nullptr) return std::string_view();
  const json::string* text = value->if_string();
  if (text == nullptr) return std::unexpected(fmt::format("\"{}\" is no string", name));
  return std::string_view(text->data(), text->size());
}

std::expected<std::string, std::string> bytes_of(const json::object& jwk, std::string_view name) {
  const auto text = text_of(jwk, name);
  if (!text) return std::unexpected(text.error());
  auto decoded = decode_base64url(*text);
  if (!decoded || decoded->empty()) {
    return std::unexpected(fmt::format("\"{}\" is missing or no base64url", name));
  }
  return std::move(*decoded);
}

std::expected<Key, std::string> rsa_from(const json::object& jwk) {
  const auto n = bytes_of(jwk, "n");
  if (!n) return std::unexpected(n.error());
  const auto e = bytes_of(jwk, "e");
  if (!e) return std::unexpected(e.error());
  const Number modulus(BN_bin2bn(bytes(*n), static_cast<int>(n->size()), nullptr));
  const Number exponent(BN_bin2bn(bytes(*e), static_cast<int>(e->size()), nullptr));
  return key_from("RSA", [&](OSSL_PARAM_BLD* builder) {
    return modulus && exponent &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1;
  });
}

std::expected<Key, std::string> ec_from(const json::object& jwk, const char* curve,
                                        std::size_t size) {
  const auto x = bytes_of(jwk, "x");
  if (!x) return std::unexpected(x.error());
  const auto y = bytes_of(jwk, "y");
  if (!y) return std::unexpected(y.error());
  if (x->size() != size || y->size() != size) {
    return std::unexpected(fmt::format("\"x\" and \"y\" must have {} bytes", size));
  }
  const std::string point = '\x04' + *x + *y;
  return key_from("EC", [&](OSSL_PARAM_BLD* builder) {
    return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size()) == 1;
  });
}

std::expected<Key, std::string> ed25519_from(const json::object& jwk) {
  const auto x = bytes_of(jwk, "x");
  if (!x) return std::unexpected(x.error());
  return take(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(*x), x->size()));
}

bool is_for_signatures(const json::object& jwk) {
  if (const json::value* use = jwk.if_contains("use")) {
    if (!use->is_string() || use->get_string() != "sig") return false;
  }
  const json::value* operations = jwk.if_contains("key_ops");
  if (operations == nullptr) return true;
  const json::array* list = operations->if_array();
  return list != nullptr && std::ranges::any_of(*list, [](const json::value& each) {
           return each.is_string() && each.get_string() == "verify";
         });
}

bool fits(KeyKind kind, std::span<const TokenAlgorithm> algorithms) {
  return std::ranges::any_of(
      algorithms, [kind](TokenAlgorithm algorithm) { return kind_of(algorithm) == kind; });
}

/// A key of the set; nothing if it is none for us.
std::expected<std::optional<TokenKey>, std::string> read_jwk(
    const json::object& jwk, std::span<const TokenAlgorithm> algorithms) {
  TokenKey key;
  const auto kid = text_of(jwk, "kid");
  if (!kid) return std::unexpected(kid.error());
  key.id = *kid;
  if (const json::value* name = jwk.if_contains("alg")) {
    if (!name->is_string()) return std::unexpected("\"alg\" is no string");
    key.algorithm = find_algorithm(std::string_view(name->get_string()));
    if (!key.algorithm || std::ranges::find(algorithms, *key.algorithm) == algorithms.end()) {
      return std::nullopt;
    }
  }
  const auto kty = text_of(jwk, "kty");
  const auto crv = text_of(jwk, "crv");
  if (!kty || !crv || !is_for_signatures(jwk)) return std::nullopt;

  std::expected<Key, std::string> made;
  if (*kty == "oct") {
    if (!fits(KeyKind::secret, algorithms)) return std::nullopt;
    auto secret = bytes_of(jwk, "k");
    if (!secret) return std::unexpected(secret.error());
    auto checked = TokenKeys::from_secret(*secret);
    if (!checked) return std::unexpected(checked.error());
    key.secret = std::move(*secret);
    return key;
  }
  if (*kty == "RSA" && fits(KeyKind::rsa, algorithms)) {
    made = rsa_from(jwk);
  } else if (*kty == "EC" && *crv == "P-256" && fits(KeyKind::p256, algorithms)) {
    made = ec_from(jwk, "prime256v1", 32);
  } else if (*kty == "EC" && *crv == "P-384" && fits(KeyKind::p384, algorithms)) {
    made = ec_from(jwk, "secp384r1", 48);
  } else if (*kty == "OKP" && *crv == "Ed25519" && fits(KeyKind::ed25519, algorithms)) {
    made = ed25519_from(jwk);
  } else {
    return std::nullopt;
  }
  if (!made) return std::unexpected(made.error());
  if (*made == nullptr) return std::unexpected("its numbers are no key");
  if (jwk.contains("d")) {
    return std::unexpected("it is a private key (\"d\"): only the issuer may have that");
  }
  const auto kind = check(made->get());
  if (!kind) return std::unexpected(kind.error());
  key.kind = *kind;
  if (key.algorithm && kind_of(*key.algorithm) != key.kind) {
    return std::unexpected("its \"alg\" is none for its kind");
  }
  key.key = std::move(*made);
  return key;
}

}  // namespace

std::optional<TokenAlgorithm> find_algorithm(std::string_view name) {
  const auto* const found = std::ranges::find(kKnown, name, &Known::name);
  return found == kKnown.end() ? std::nullopt : std::optional(found->algorithm);
}

std::vector<TokenAlgorithm> algorithms_of(const JwtConfig& config) {
  std::vector<TokenAlgorithm> algorithms;
  for (const std::string& name : config.algorithms) {
    if (const auto algorithm = find_algorithm(name)) algorithms.push_back(*algorithm);
  }
  return algorithms;
}

KeyKind kind_of(TokenAlgorithm algorithm) { return known(algorithm).kind; }

bool TokenKey::verifies(TokenAlgorithm used, std::string_view text,
                        std::string_view signature) const {
  if (kind_of(used) != kind || (algorithm && *algorithm != used)) return false;
  bool good = false;
  if (kind == KeyKind::secret) {
    good = verify_secret(used, secret, text, signature);
  } else if (kind == KeyKind::p256 || kind == KeyKind::p384) {
    const auto der = der_of(signature, kind == KeyKind::p256 ? 32 : 48);
    good = der && verify_public(used, key.get(), text, *der);
  } else {
    good = verify_public(used, key.get(), text, signature);
  }
  if (!good) ERR_clear_error();  // else they would pile up
  return good;
}

std::expected<TokenKeys, std::string> TokenKeys::from_secret(std::string_view secret) {
  if (secret.size() < kLeastSecretBytes) {
    return std::unexpected(
        fmt::format("a secret of {} bytes, allowed: {} or more", secret.size(), kLeastSecretBytes));
  }
  TokenKeys keys;
  keys.keys.push_back({.kind = KeyKind::secret,
                       .id = "",
                       .algorithm = {},
                       .secret = std::string(secret),
                       .key = nullptr});
  return keys;
}

std::expected<TokenKeys, std::string> TokenKeys::from_pem(
    std::string_view pem, std::span<const TokenAlgorithm> algorithms) {
  if (pem.find("PRIVATE KEY") != std::string_view::npos) {
    return std::unexpected(
        "a private key, allowed: the public key (only the issuer may have the "
        "other)");
  }
  constexpr std::string_view kBegin = "-----BEGIN ";
  const std::size_t first = pem.find(kBegin);
  if (first != std::string_view::npos && pem.find(kBegin, first + 1) != std::string_view::npos) {
    return std::unexpected("several keys, allowed: one (use jwks_file for more)");
  }
  const auto open = [&pem] {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  };
  Key key = take(PEM_read_bio_PUBKEY(open().get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    const Certificate certificate(PEM_read_bio_X509(open().get(), nullptr, nullptr, nullptr));
    if (certificate) key = take(X509_get_pubkey(certificate.get()));
  }
  ERR_clear_error();
  if (key == nullptr) return std::unexpected("no public key or certificate in PEM");
  const auto kind = check(key.get());
  if (!kind) return std::unexpected(kind.error());
  for (const TokenAlgorithm algorithm : algorithms) {
    if (kind_of(algorithm) != *kind) {
      return std::unexpected(fmt::format("{}, allowed for {}: {}", name_of(*kind),
                                         known(algorithm).name, name_of(kind_of(algorithm))));
    }
  }
  TokenKeys keys;
  keys.keys.push_back(
      {.kind = *kind, .id = "", .algorithm = {}, .secret = "", .key = std::move(key)});
  return keys;
}

std::expected<TokenKeys, std::string> TokenKeys::from_jwks(
    std::string_view text, std::span<const TokenAlgorithm> algorithms) {
  constexpr std::size_t kMaxDepth = 8;
  const auto value = parse_strict_json(text, kMaxDepth);
  const json::object* set = value ? value->if_object() : nullptr;
  const json::value* list = set == nullptr ? nullptr : set->if_contains("keys");
  if (list == nullptr || !list->is_array()) {
    return std::unexpected(
        "no key set, allowed: {\"keys\": [...]} (RFC 7517), without members of "
        "one name");
  }
  if (list->get_array().size() > kMostKeys) {
    return std::unexpected(
        fmt::format("{} keys, allowed: at most {}", list->get_array().size(), kMostKeys));
  }
  TokenKeys keys;
  keys.selected_by_id = true;
  std::size_t number = 0;
  for (const json::value& each : list->get_array()) {
    const auto where = [&] { return fmt::format("keys[{}]", number); };
    const json::object* jwk = each.if_object();
    if (jwk == nullptr) return std::unexpected(where() + " is no object");
    auto key = read_jwk(*jwk, algorithms);
    ERR_clear_error();
    if (!key) return std::unexpected(where() + ": " + key.error());
    ++number;
    if (!*key) continue;
    const bool taken = std::ranges::any_of(keys.keys, [&](const TokenKey& other) {
      return !(*key)->id.empty() && other.id == (*key)->id && other.kind == (*key)->kind;
    });
    if (taken)
      return std::unexpected(
          fmt::format("two keys of one kind with the \"kid\" \"{}\"", (*key)->id));
    keys.keys.push_back(std::move(**key));
  }
  if (keys.keys.empty()) return std::unexpected("no key for the configured algorithms");
  return keys;
}

std::expected<TokenKeys, std::string> read_token_keys(const JwtConfig& config,
                                                      std::string_view material) {
  const auto algorithms = algorithms_of(config);
  if (!config.jwks_file.empty()) return TokenKeys::from_jwks(material, algorithms);
  if (!config.public_key_file.empty()) return TokenKeys::from_pem(material, algorithms);
  return TokenKeys::from_secret(material);
}

}  // namespace tidegate
