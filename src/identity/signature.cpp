#include "identity/signature.hpp"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/openssl.hpp"
#include "identity/ed25519_order.hpp"

namespace tidegate {
namespace {

using openssl::bytes_of;
using openssl::Owned;

constexpr std::array<std::pair<std::string_view, SignatureAlgorithm>, 10> kNames{{
    {"HS256", SignatureAlgorithm::hs256},
    {"HS384", SignatureAlgorithm::hs384},
    {"HS512", SignatureAlgorithm::hs512},
    {"RS256", SignatureAlgorithm::rs256},
    {"RS384", SignatureAlgorithm::rs384},
    {"RS512", SignatureAlgorithm::rs512},
    {"PS256", SignatureAlgorithm::ps256},
    {"ES256", SignatureAlgorithm::es256},
    {"ES384", SignatureAlgorithm::es384},
    {"EdDSA", SignatureAlgorithm::eddsa},
}};
constexpr std::array kMacDigests{"SHA256", "SHA384", "SHA512"};

/// Fetched once: a fetch for each signature would cost more than a MAC does.
const EVP_MD* digest_for(SignatureAlgorithm algorithm) {
  static const std::array<EVP_MD*, 3> kDigests{EVP_MD_fetch(nullptr, "SHA256", nullptr),
                                               EVP_MD_fetch(nullptr, "SHA384", nullptr),
                                               EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  switch (algorithm) {
    case SignatureAlgorithm::rs384:
    case SignatureAlgorithm::es384:
      return kDigests[1];
    case SignatureAlgorithm::rs512:
      return kDigests[2];
    case SignatureAlgorithm::eddsa:
      return nullptr;  // hashes for itself
    default:
      return kDigests[0];
  }
}

std::size_t coordinate_bytes(KeyKind curve) { return curve == KeyKind::p256 ? 32 : 48; }

/// The pair of numbers r and s, each of the curve's length, as the ASN.1 that OpenSSL takes. ""
/// where there are no two such numbers.
std::string der_of_pair(KeyKind curve, std::string_view signature) {
  const std::size_t size = coordinate_bytes(curve);
  if (signature.size() != 2 * size) return "";
  const auto number = [&](std::size_t at) {
    return BN_bin2bn(bytes_of(signature.substr(at)), static_cast<int>(size), nullptr);
  };
  const Owned<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  BIGNUM* const r = number(0);
  BIGNUM* const s = number(size);
  if (!pair || r == nullptr || s == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return "";
  }
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair.get(), &der);
  if (length <= 0) return "";
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return out;
}

std::string problem_of_rsa(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return fmt::format("an RSA key of {} bits, allowed: {} to {}", bits, kMinRsaBits, kMaxRsaBits);
  }
  BIGNUM* exponent = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) return "no RSA key";
  const Owned<BIGNUM, BN_free> owned(exponent);
  // With an exponent of 1 a signature is the text itself.
  const bool allowed = BN_is_odd(exponent) == 1 && BN_is_one(exponent) == 0;
  return allowed ? "" : "an RSA key with an exponent that is even or 1";
}

}  // namespace

std::optional<SignatureAlgorithm> algorithm_named(std::string_view name) {
  for (const auto& [known, algorithm] : kNames) {
    if (known == name) return algorithm;
  }
  return std::nullopt;
}

KeyKind kind_for(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::hs256:
    case SignatureAlgorithm::hs384:
    case SignatureAlgorithm::hs512:
      return KeyKind::secret;
    case SignatureAlgorithm::es256:
      return KeyKind::p256;
    case SignatureAlgorithm::es384:
      return KeyKind::p384;
    case SignatureAlgorithm::eddsa:
      return KeyKind::ed25519;
    default:
      return KeyKind::rsa;
  }
}

std::string_view to_string(KeyKind kind) {
  switch (kind) {
    case KeyKind::secret:
      return "a secret";
    case KeyKind::rsa:
      return "an RSA key";
    case KeyKind::p256:
      return "a key of P-256";
    case KeyKind::p384:
      return "a key of P-384";
    case KeyKind::ed25519:
      return "an Ed25519 key";
  }
  return "";
}

void VerificationKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void VerificationKey::Free::operator()(evp_mac_ctx_st* mac) const { EVP_MAC_CTX_free(mac); }

std::expected<VerificationKey, Error> VerificationKey::from_secret(std::string_view secret) {
  if (secret.size() < kMinSecretBytes) {
    return std::unexpected(Error{
        fmt::format("a secret of {} bytes, allowed: at least {}", secret.size(), kMinSecretBytes)});
  }
  const openssl::QuietErrors quiet;
  const Owned<EVP_MAC, EVP_MAC_free> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  VerificationKey key(KeyKind::secret, nullptr);
  for (std::size_t i = 0; i < kMacDigests.size(); ++i) {
    std::string digest = kMacDigests[i];
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    key.macs_[i].reset(EVP_MAC_CTX_new(hmac.get()));
    if (!key.macs_[i] ||
        EVP_MAC_init(key.macs_[i].get(), bytes_of(secret), secret.size(), parameters.data()) != 1) {
      return std::unexpected(Error{"OpenSSL has no HMAC"});
    }
  }
  return key;
}

std::expected<VerificationKey, Error> VerificationKey::from_pem(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  const auto wrong = [](std::string_view found) {
    return std::unexpected(Error{fmt::format(
        "{}, allowed: one block \"-----BEGIN PUBLIC KEY-----\"; openssl pkey -pubout, or openssl "
        "x509 -pubkey -noout for a certificate, writes it",
        found)});
  };
  const std::size_t first = pem.find(kBegin);
  if (first == std::string_view::npos) return wrong("no PEM");
  if (pem.find(kBegin, first + 1) != std::string_view::npos) return wrong("several blocks of PEM");
  if (!pem.substr(first + kBegin.size()).starts_with("PUBLIC KEY-----")) {
    const bool secret = pem.find("PRIVATE KEY-----", first) != std::string_view::npos;
    return wrong(secret ? "a private key" : "PEM of another kind");
  }
  const openssl::QuietErrors quiet;
  const Owned<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  PublicKey key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return wrong("a block that holds no key");
  return judge(std::move(key));
}

std::expected<VerificationKey, Error> VerificationKey::judge(PublicKey key) {
  const auto refuse = [](std::string message) {
    return std::unexpected(Error{std::move(message)});
  };
  const auto accept = [&](KeyKind kind) -> std::expected<VerificationKey, Error> {
    const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
        EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    if (EVP_PKEY_public_check_quick(context.get()) != 1) return refuse("a key that is not valid");
    return VerificationKey(kind, std::move(key));
  };
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    std::string problem = problem_of_rsa(key.get());
    return problem.empty() ? accept(KeyKind::rsa) : refuse(std::move(problem));
  }
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) {
    std::array<unsigned char, 32> point{};
    std::size_t size = point.size();
    EVP_PKEY_get_raw_public_key(key.get(), point.data(), &size);
    // For such a key a signature can be made that holds for one text in eight.
    if (has_small_order(point)) return refuse("an Ed25519 key of small order");
    return accept(KeyKind::ed25519);
  }
  std::array<char, 64> group{};
  if (EVP_PKEY_is_a(key.get(), "EC") == 1 &&
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1) {
    const std::string_view name = group.data();
    if (name == "prime256v1") return accept(KeyKind::p256);
    if (name == "secp384r1") return accept(KeyKind::p384);
  }
  return refuse("a key of another kind than RSA, P-256, P-384 and Ed25519");
}

std::expected<VerificationKey, Error> VerificationKey::build(const char* type, void* parameters) {
  auto* const builder = static_cast<OSSL_PARAM_BLD*>(parameters);
  const Owned<OSSL_PARAM, OSSL_PARAM_free> list(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!list || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, list.get()) != 1) {
    return std::unexpected(Error{"numbers that make no key"});
  }
  return judge(PublicKey(key));
}

std::expected<VerificationKey, Error> VerificationKey::rsa(std::string_view modulus,
                                                           std::string_view exponent) {
  constexpr std::size_t kMostBytes = std::size_t{kMaxRsaBits} / 8 + 1;
  if (modulus.size() > kMostBytes || exponent.size() > kMostBytes) {
    return std::unexpected(Error{fmt::format("an RSA key above {} bits, allowed: {} to {}",
                                             kMaxRsaBits, kMinRsaBits, kMaxRsaBits)});
  }
  const openssl::QuietErrors quiet;
  const auto number = [](std::string_view bytes) {
    return Owned<BIGNUM, BN_free>(
        BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
  };
  const auto n = number(modulus);
  const auto e = number(exponent);
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return build("RSA", builder.get());
}

std::expected<VerificationKey, Error> VerificationKey::ec(KeyKind curve, std::string_view x,
                                                          std::string_view y) {
  const std::size_t size = coordinate_bytes(curve);
  if (x.size() != size || y.size() != size) {
    return std::unexpected(Error{fmt::format("coordinates that have not {} bytes", size)});
  }
  const openssl::QuietErrors quiet;
  std::string point{'\x04'};  // both coordinates follow
  point.append(x).append(y);
  const Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                  curve == KeyKind::p256 ? "P-256" : "P-384", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return build("EC", builder.get());
}

std::expected<VerificationKey, Error> VerificationKey::ed25519(std::string_view point) {
  const openssl::QuietErrors quiet;
  PublicKey key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(point), point.size()));
  if (!key) return std::unexpected(Error{"a point that has not 32 bytes"});
  return judge(std::move(key));
}

bool VerificationKey::verify(SignatureAlgorithm algorithm, std::string_view text,
                             std::string_view signature) const {
  if (kind_for(algorithm) != kind_) return false;
  const openssl::QuietErrors quiet;
  if (kind_ == KeyKind::secret) return verify_mac(algorithm, text, signature);
  std::string der;
  if (kind_ == KeyKind::p256 || kind_ == KeyKind::p384) {
    der = der_of_pair(kind_, signature);
    if (der.empty()) return false;
    signature = der;
  }
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // belongs to the context
  if (!context || EVP_DigestVerifyInit(context.get(), &options, digest_for(algorithm), nullptr,
                                       public_.get()) != 1) {
    return false;
  }
  if (algorithm == SignatureAlgorithm::ps256 &&
      (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

bool VerificationKey::verify_mac(SignatureAlgorithm algorithm, std::string_view text,
                                 std::string_view signature) const {
  const auto which =
      static_cast<std::size_t>(algorithm) - static_cast<std::size_t>(SignatureAlgorithm::hs256);
  const Owned<EVP_MAC_CTX, EVP_MAC_CTX_free> context(EVP_MAC_CTX_dup(macs_[which].get()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  std::size_t size = 0;
  return context && EVP_MAC_update(context.get(), bytes_of(text), text.size()) == 1 &&
         EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) == 1 &&
         signature.size() == size && CRYPTO_memcmp(mac.data(), signature.data(), size) == 0;
}

}  // namespace tidegate
