#include "identity/token_keys.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <string>
#include <vector>

#include "core/openssl.hpp"
#include "identity/test_tokens.hpp"

namespace tidegate {
namespace {

using Key = openssl::Owned<EVP_PKEY, EVP_PKEY_free>;

std::string pem_of(EVP_PKEY* key) {
  const openssl::Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}
Key rsa_key(std::size_t bits) { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits)); }
Key ec_key(const char* curve) { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)); }
Key plain_key(const char* type) { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, type)); }

std::string error_of(const std::expected<TokenKeys, Error>& keys) {
  return keys ? "" : keys.error().message;
}

TEST(TokenKeys, RefuseAShortSecret) {
  EXPECT_TRUE(TokenKeys::from_secret(std::string(32, 'x')));
  EXPECT_EQ(error_of(TokenKeys::from_secret(std::string(31, 'x'))),
            "a secret of 31 bytes, allowed: at least 32");
}

TEST(TokenKeys, TakeAPublicKeyAsPem) {
  EXPECT_TRUE(TokenKeys::from_pem(pem_of(rsa_key(2048).get()))->has_kind(KeyKind::rsa));
  EXPECT_TRUE(TokenKeys::from_pem(pem_of(ec_key("P-256").get()))->has_kind(KeyKind::p256));
  EXPECT_TRUE(TokenKeys::from_pem(pem_of(ec_key("P-384").get()))->has_kind(KeyKind::p384));
  EXPECT_TRUE(TokenKeys::from_pem("a comment\n" + pem_of(plain_key("ED25519").get()))
                  ->has_kind(KeyKind::ed25519));
}

TEST(TokenKeys, RefuseOtherPem) {
  EXPECT_EQ(error_of(TokenKeys::from_pem(pem_of(rsa_key(1024).get()))),
            "an RSA key of 1024 bits, allowed: 2048 to 8192");
  for (const Key& key :
       {ec_key("P-521"), ec_key("secp256k1"), plain_key("ED448"), plain_key("X25519")}) {
    EXPECT_NE(error_of(TokenKeys::from_pem(pem_of(key.get()))), "");
  }
  const Key key = rsa_key(2048);
  const openssl::Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  EXPECT_TRUE(error_of(TokenKeys::from_pem({text, static_cast<std::size_t>(size)}))
                  .starts_with("a private key, allowed: one block"));
  const std::string pem = pem_of(key.get());
  EXPECT_TRUE(error_of(TokenKeys::from_pem(pem + pem)).starts_with("several blocks"));
  EXPECT_TRUE(error_of(TokenKeys::from_pem("junk")).starts_with("no PEM"));
  EXPECT_TRUE(error_of(TokenKeys::from_pem("")).starts_with("no PEM"));
  EXPECT_TRUE(error_of(TokenKeys::from_pem(pem.substr(0, 100))).starts_with("a block that holds"));
  EXPECT_TRUE(error_of(TokenKeys::from_pem("-----BEGIN CERTIFICATE-----\n"))
                  .starts_with("PEM of another kind"));
}

TEST(TokenKeys, LeaveTheErrorsOfOthersAlone) {
  ERR_put_error(ERR_LIB_USER, 0, 77, "", 0);
  EXPECT_FALSE(TokenKeys::from_pem("-----BEGIN PUBLIC KEY-----\njunk\n-----END PUBLIC KEY-----\n"));
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), 77);
  EXPECT_EQ(ERR_get_error(), 0U);
}

std::string oct(std::string_view rest, char letter = 's') {
  return R"({"kty":"oct","k":")" + encode_base64url(std::string(32, letter)) + '"' +
         std::string(rest) + '}';
}
std::string set_of(const std::vector<std::string>& keys) {
  std::string text = R"({"keys":[)";
  for (const std::string& key : keys) text += (&key == keys.data() ? "" : ",") + key;
  return text + "]}";
}

/// The verdict on a token signed with 32 times "s".
TokenVerdict check(const TokenKeys& keys, const std::optional<std::string>& kid = {},
                   SignatureAlgorithm algorithm = SignatureAlgorithm::hs256) {
  const std::string token = signed_token("{}");
  const std::size_t dot = token.rfind('.');
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), kTestSecret.data(), 32, openssl::bytes_of(token), dot, mac.data(), &size);
  return keys
      .check(algorithm, kid, std::string_view(token).substr(0, dot),
             {reinterpret_cast<const char*>(mac.data()), size})
      .verdict;
}

TEST(TokenKeys, SelectByKid) {
  const auto keys =
      TokenKeys::from_jwks(set_of({oct(R"(,"kid":"old")", 'o'), oct(R"(,"kid":"new")")})).value();
  EXPECT_EQ(check(keys, "new"), TokenVerdict::valid);
  EXPECT_EQ(check(keys, "old"), TokenVerdict::bad_signature);
  EXPECT_EQ(check(keys, "New"), TokenVerdict::unknown_key);
  EXPECT_EQ(check(keys, ""), TokenVerdict::unknown_key);
  EXPECT_EQ(check(keys), TokenVerdict::valid) << "one of the right kind fits";
  const auto nameless = TokenKeys::from_jwks(set_of({oct("")})).value();
  EXPECT_EQ(check(nameless), TokenVerdict::valid);
  EXPECT_EQ(check(nameless, "new"), TokenVerdict::unknown_key);
  const auto twins =
      TokenKeys::from_jwks(set_of({oct(R"(,"kid":"a")", 'o'), oct(R"(,"kid":"a")")}));
  EXPECT_EQ(check(twins.value(), "a"), TokenVerdict::valid);
  EXPECT_EQ(check(test_keys(), "whatever"), TokenVerdict::valid) << "a secret has no name";
}

TEST(TokenKeys, CountWhatACheckTried) {
  const auto keys =
      TokenKeys::from_jwks(set_of({oct("", 'a'), oct("", 'b'), oct("", 'c')})).value();
  EXPECT_EQ(keys.check(SignatureAlgorithm::hs256, {}, "x", "y").tried, 3U);
  EXPECT_EQ(keys.check(SignatureAlgorithm::rs256, {}, "x", "y").tried, 0U);
}

TEST(TokenKeys, HoldAKeyToItsAlgorithm) {
  const auto keys = TokenKeys::from_jwks(set_of({oct(R"(,"alg":"HS512")")})).value();
  EXPECT_EQ(check(keys), TokenVerdict::unknown_key);
}

TEST(TokenKeys, SetAsideWhatIsNotForThem) {
  const struct {
    std::string key;
    std::string why;
  } kCases[] = {
      {oct(R"(,"use":"enc")"), "it is not for signatures (use)"},
      {oct(R"(,"use":7)"), "it is not for signatures (use)"},
      {oct(R"(,"key_ops":["encrypt"])"), "it is not for verification (key_ops)"},
      {oct(R"(,"key_ops":"verify")"), "it is not for verification (key_ops)"},
      {oct(R"(,"alg":"RS256")"), "its algorithm (alg) is none for a secret"},
      {oct(R"(,"alg":"A128KW")"), "its algorithm (alg) is none for a secret"},
      {oct(R"(,"kid":7)"), "its name (kid) is no string"},
      {R"({"kty":"oct","k":"c2hvcnQ","kid":"x\n"})", "a secret of 5 bytes, allowed: at least 32"},
      {R"({"kty":"oct","k":"a b"})", "its member \"k\" is no base64url"},
      {R"({"kty":"RSA","n":"AQAB"})", "its member \"e\" is no base64url"},
      {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "an RSA key of 17 bits, allowed: 2048 to 8192"},
      {R"({"kty":"EC","crv":"P-521","x":"AA","y":"AA"})",
       "its type \"EC\" with \"P-521\" is none of RSA, EC with P-256 or P-384, OKP with Ed25519, "
       "oct"},
      {R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})", "coordinates that have not 32 bytes"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AA"})", "a point that has not 32 bytes"},
      {R"({"kty":"lattice"})",
       "its type \"lattice\" is none of RSA, EC with P-256 or P-384, OKP with Ed25519, oct"},
      {"{}", "its type (kty) is missing"},
      {"7", "its type (kty) is missing"},
  };
  for (const auto& [key, why] : kCases) {
    const auto keys =
        TokenKeys::from_jwks(set_of({key, oct(R"(,"use":"sig","key_ops":["verify"])")}));
    ASSERT_TRUE(keys) << key << keys.error().message;
    ASSERT_EQ(keys->set_aside().size(), 1U) << key;
    EXPECT_TRUE(keys->set_aside()[0].starts_with("key 1"));
    EXPECT_TRUE(keys->set_aside()[0].ends_with(": " + why)) << keys->set_aside()[0];
    EXPECT_EQ(check(*keys), TokenVerdict::valid);
    EXPECT_NE(error_of(TokenKeys::from_jwks(set_of({key}))).find(why), std::string::npos);
  }
}

TEST(TokenKeys, RefuseAPointThatIsOnNoCurve) {
  const std::string coordinate = encode_base64url(std::string(32, 'x'));
  const std::string key =
      R"({"kty":"EC","crv":"P-256","x":")" + coordinate + R"(","y":")" + coordinate + "\"}";
  EXPECT_NE(error_of(TokenKeys::from_jwks(set_of({key}))), "");
}

TEST(TokenKeys, RefuseExponentsThatProveNothing) {
  const std::string modulus = encode_base64url('\xff' + std::string(255, 'x'));
  for (const char* exponent : {"AQ", "Ag", "AA", "AQAA"}) {
    const std::string key = R"({"kty":"RSA","n":")" + modulus + R"(","e":")" + exponent + "\"}";
    EXPECT_NE(error_of(TokenKeys::from_jwks(set_of({key}))).find("exponent"), std::string::npos)
        << exponent;
  }
}

TEST(TokenKeys, RefuseEd25519KeysThatAnybodyCanSignFor) {
  const auto point = [](std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    }
    return bytes;
  };
  // y = 1, 0, -1, the two others of order eight, and y = p + 1, another way to write 1; with both
  // signs of x.
  for (const char* hex : {"0100000000000000000000000000000000000000000000000000000000000000",
                          "0000000000000000000000000000000000000000000000000000000000000000",
                          "0000000000000000000000000000000000000000000000000000000000000080",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                          "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                          "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    EXPECT_EQ(VerificationKey::ed25519(point(hex)).error().message, "an Ed25519 key of small order")
        << hex;
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(TokenKeys::from_pem(pem_of(plain_key("ED25519").get())));
  }
}

TEST(TokenKeys, SayWhatIsNoKeySet) {
  EXPECT_EQ(error_of(TokenKeys::from_jwks("")), "no JSON: no JSON value at byte 1");
  EXPECT_EQ(error_of(TokenKeys::from_jwks("{}")),
            "no JWK Set: an object with an array \"keys\" is allowed");
  EXPECT_EQ(error_of(TokenKeys::from_jwks(R"({"keys":{}})")),
            "no JWK Set: an object with an array \"keys\" is allowed");
  EXPECT_EQ(error_of(TokenKeys::from_jwks(R"({"keys":[]})")), "no key that can be used");
  EXPECT_EQ(error_of(TokenKeys::from_jwks(set_of(std::vector<std::string>(65, oct(""))))),
            "65 keys, allowed: at most 64");
}

}  // namespace
}  // namespace tidegate
