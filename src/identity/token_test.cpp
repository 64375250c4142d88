#include "identity/token.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/base64url.hpp"
#include "identity/test_tokens.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr Micros kNow = 1'800'000'000'000'000;
constexpr Micros kSecond = 1'000'000;

// The examples of RFC 7515, appendix A, and RFC 8037, appendix A: all of one payload but the last.
constexpr std::string_view kRfcPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
constexpr Micros kRfcExpires = 1'300'819'380 * kSecond;

struct RfcExample {
  const char* algorithm;
  const char* key;
  std::string_view header;
  std::string_view signature;
};
constexpr RfcExample kHmac{
    "HS256",
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})",
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"};
constexpr RfcExample kRsa{
    "RS256",
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju"
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07"
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU"
    "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"};
constexpr RfcExample kEc{
    "ES256",
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"};
constexpr std::string_view kEdPoint = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
constexpr std::string_view kEdText = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
constexpr std::string_view kEdSignature =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

JwtConfig config_for(std::string algorithm) {
  JwtConfig config;
  config.algorithms = {std::move(algorithm)};
  config.user_claim = "iss";  // the only text in the examples
  return config;
}

ReadToken read_example(const RfcExample& example, std::string_view signature) {
  const auto keys = TokenKeys::from_jwks(std::string(R"({"keys":[)") + example.key + "]}").value();
  const std::string token =
      std::string(example.header) + '.' + std::string(kRfcPayload) + '.' + std::string(signature);
  return read_token(token, TokenRules(config_for(example.algorithm)), keys);
}

TEST(Token, ReadsTheExamplesOfRfc7515) {
  for (const RfcExample& example : {kHmac, kRsa, kEc}) {
    const ReadToken read = read_example(example, example.signature);
    EXPECT_EQ(read.verdict, TokenVerdict::valid) << example.algorithm;
    EXPECT_EQ(read.claims.client, "user:joe");
    EXPECT_EQ(read.claims.until_us, kRfcExpires + 30 * kSecond);
    std::string forged(example.signature);
    forged[9] = forged[9] == 'A' ? 'B' : 'A';
    EXPECT_EQ(read_example(example, forged).verdict, TokenVerdict::bad_signature);
    EXPECT_EQ(read_example(example, "").verdict, TokenVerdict::bad_signature);
  }
}

TEST(Token, ChecksTheExampleOfRfc8037) {
  const auto key = VerificationKey::ed25519(decode_base64url(kEdPoint).value()).value();
  std::string signature = decode_base64url(kEdSignature).value();
  EXPECT_TRUE(key.verify(SignatureAlgorithm::eddsa, kEdText, signature));
  signature.back() = static_cast<char>(signature.back() ^ 1);
  EXPECT_FALSE(key.verify(SignatureAlgorithm::eddsa, kEdText, signature));
}

/// The verdict on a token that is signed as it should be.
TokenVerdict verdict_on(std::string_view payload, const JwtConfig& config = {}, Micros now = kNow,
                        std::string_view header = kHs256) {
  const ReadToken read = read_token(signed_token(payload, header), TokenRules(config), test_keys());
  return read.verdict == TokenVerdict::valid ? read.claims.verdict_at(now) : read.verdict;
}
TokenVerdict verdict_with_header(std::string_view header) {
  return verdict_on(R"({"sub":"a"})", {}, kNow, header);
}

TEST(Token, TakesTheAlgorithmFromTheConfigurationAlone) {
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","typ":"JWT","cty":"x","x":[{}]})"),
            TokenVerdict::valid);
  for (const char* name :
       {"none", "None", "NONE", "nOnE", "", "hs256", "HS384", "RS256", "HS256 "}) {
    EXPECT_EQ(verdict_with_header(std::string(R"({"alg":")") + name + "\"}"),
              TokenVerdict::wrong_algorithm)
        << name;
  }
  for (const char* header : {"{}", R"({"alg":1})", R"({"alg":null})", R"({"alg":["HS256"]})",
                             R"({"alg":"HS256","kid":7})", R"({"alg":"none","alg":"HS256"})",
                             R"({"\u0061lg":"none","alg":"HS256"})", "[]", "\"HS256\"", ""}) {
    EXPECT_EQ(verdict_with_header(header), TokenVerdict::malformed) << header;
  }
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","crit":["exp"],"exp":1})"),
            TokenVerdict::critical);
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","crit":[]})"), TokenVerdict::critical);
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","b64":false})"), TokenVerdict::critical);
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","b64":"true"})"), TokenVerdict::critical);
  EXPECT_EQ(verdict_with_header(R"({"alg":"HS256","b64":true})"), TokenVerdict::valid);
}

TEST(Token, RefusesWhatIsNoCompactJws) {
  const std::string good = signed_token(R"({"sub":"a"})");
  const auto verdict = [](const std::string& token) {
    return read_token(token, TokenRules(JwtConfig{}), test_keys()).verdict;
  };
  ASSERT_EQ(verdict(good), TokenVerdict::valid);
  const std::string two = good.substr(0, good.rfind('.'));
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("..."), two, good + '.',
        good + ".a.b", '.' + good, good + '=', good + ' ', ' ' + good, good + '\n', good + "AA",
        "{" + good}) {
    EXPECT_NE(verdict(token), TokenVerdict::valid) << token;
  }
  EXPECT_EQ(verdict(two), TokenVerdict::malformed);
  EXPECT_EQ(verdict(good + ".a.b"), TokenVerdict::malformed);
  EXPECT_EQ(verdict(two + '.'), TokenVerdict::bad_signature);
}

TEST(Token, HoldsTimesAgainstTheClockWithLeeway) {
  const auto at = [](const char* claim, std::int64_t offset_s) {
    return std::string(R"({"sub":"a",")") + claim +
           "\":" + std::to_string(static_cast<std::int64_t>(kNow / kSecond) + offset_s) + "}";
  };
  EXPECT_EQ(verdict_on(at("exp", 1)), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(at("exp", -29)), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(at("exp", -30)), TokenVerdict::expired) << "exactly at the end";
  EXPECT_EQ(verdict_on(at("exp", -30), {}, kNow - 1), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(at("nbf", 30)), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(at("nbf", 30), {}, kNow - 1), TokenVerdict::not_yet_valid);
  JwtConfig strict;
  strict.leeway = 0ms;
  EXPECT_EQ(verdict_on(at("exp", 0), strict), TokenVerdict::expired);
  EXPECT_EQ(verdict_on(at("exp", 0), strict, kNow - 1), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(at("nbf", 0), strict), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(R"({"sub":"a","exp":1800000000.5})", strict), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(R"({"sub":"a","exp":1.8e9})", strict), TokenVerdict::expired);
  EXPECT_EQ(verdict_on(R"({"sub":"a","exp":-1})"), TokenVerdict::expired);
  EXPECT_EQ(verdict_on(R"({"sub":"a","exp":1e300})"), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(R"({"sub":"a","nbf":1e300})"), TokenVerdict::not_yet_valid);
  EXPECT_EQ(verdict_on(R"({"sub":"a","nbf":-1e300})"), TokenVerdict::valid);
  for (const char* time : {"\"1900000000\"", "null", "true", "[1900000000]", "{}", "1e999"}) {
    EXPECT_EQ(verdict_on(std::string(R"({"sub":"a","exp":)") + time + "}"), TokenVerdict::malformed)
        << time;
  }
}

TEST(Token, AsksForIssuerAndAudienceWhereConfigured) {
  EXPECT_EQ(verdict_on(R"({"sub":"a","iss":"x","aud":"y"})"), TokenVerdict::valid);
  JwtConfig config;
  config.issuer = "us";
  EXPECT_EQ(verdict_on(R"({"sub":"a","iss":"us"})", config), TokenVerdict::valid);
  for (const char* claims : {"", R"(,"iss":"Us")", R"(,"iss":["us"])", R"(,"iss":null)"}) {
    EXPECT_EQ(verdict_on(std::string(R"({"sub":"a")") + claims + "}", config),
              TokenVerdict::wrong_issuer)
        << claims;
  }
  config.issuer.clear();
  config.audience = "api";
  EXPECT_EQ(verdict_on(R"({"sub":"a","aud":"api"})", config), TokenVerdict::valid);
  EXPECT_EQ(verdict_on(R"({"sub":"a","aud":["x","api"]})", config), TokenVerdict::valid);
  for (const char* claims : {"", R"(,"aud":"apis")", R"(,"aud":[])", R"(,"aud":["x",["api"]])",
                             R"(,"aud":{"api":"api"})"}) {
    EXPECT_EQ(verdict_on(std::string(R"({"sub":"a")") + claims + "}", config),
              TokenVerdict::wrong_audience)
        << claims;
  }
}

TEST(Token, NamesUsersByStringsAndIntegers) {
  const auto client = [](std::string_view payload) {
    const auto who = extract_user_from_jwt(signed_token(payload), {}, kTestSecret, kNow);
    return who ? who->client_id : std::string(to_string(who.error()));
  };
  EXPECT_EQ(client(R"({"user_id":"42"})"), "user:42");
  EXPECT_EQ(client(R"({"user_id":42})"), "user:42");
  EXPECT_EQ(client(R"({"user_id":-7,"sub":"x"})"), "user:-7");
  EXPECT_EQ(client(R"({"user_id":18446744073709551615})"), "user:18446744073709551615");
  EXPECT_EQ(client(R"({"user_id":-9223372036854775808})"), "user:-9223372036854775808");
  EXPECT_EQ(client(R"({"sub":"x"})"), "user:x");
  EXPECT_EQ(client(R"({"user_id":"ip:10.0.0.1"})"), "user:ip:10.0.0.1");
  EXPECT_EQ(client(R"({"user_id":")" + std::string(256, 'x') + "\"}"),
            "user:" + std::string(256, 'x'));
  for (const std::string& user :
       {std::string("\"\""), '"' + std::string(257, 'x') + '"', std::string("4.2"),
        std::string("1e3"), std::string("18446744073709551616"),
        std::string("-9223372036854775809"), std::string("null"), std::string("true"),
        std::string("[42]"), std::string("{}")}) {
    EXPECT_EQ(client(R"({"sub":"x","user_id":)" + user + "}"), "no_user") << user;
  }
  EXPECT_EQ(client("{}"), "no_user");
}

TEST(Token, NamesTiersByStrings) {
  const auto tier = [](std::string_view claim) {
    const auto who =
        extract_user_from_jwt(signed_token(std::string(R"({"sub":"a")") + std::string(claim) + "}"),
                              {}, kTestSecret, kNow);
    return who ? who->tier : std::string(to_string(who.error()));
  };
  EXPECT_EQ(tier(R"(,"tier":"premium")"), "premium");
  EXPECT_EQ(tier(""), "anonymous");
  EXPECT_EQ(tier(R"(,"tier":7)"), "anonymous");
  EXPECT_EQ(tier(R"(,"tier":["premium"])"), "anonymous");
}

TEST(Token, BelievesUnsignedOnesOnlyIfToldTo) {
  JwtConfig config;
  config.verify_signature = false;
  const std::string forged = signed_token(R"({"sub":"a"})", kHs256, std::string(32, 'x'));
  EXPECT_EQ(extract_user_from_jwt(forged, {}, kTestSecret, kNow).error(),
            TokenVerdict::bad_signature);
  EXPECT_EQ(extract_user_from_jwt(forged, config, "", kNow)->client_id, "user:a");
  const std::string unsigned_token = signed_token(R"({"sub":"a"})", R"({"alg":"none"})");
  EXPECT_EQ(extract_user_from_jwt(unsigned_token, config, "", kNow).error(),
            TokenVerdict::wrong_algorithm);
}

TEST(Token, HasANameForEveryVerdict) {
  EXPECT_EQ(to_string(TokenVerdict::none), "none");
  EXPECT_EQ(to_string(TokenVerdict::malformed), "malformed");
  EXPECT_EQ(to_string(TokenVerdict::bad_signature), "bad_signature");
  EXPECT_EQ(to_string(TokenVerdict::no_user), "no_user");
}

}  // namespace
}  // namespace tidegate
