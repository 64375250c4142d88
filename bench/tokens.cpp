// What a token costs: known, new with an RS256 signature, and forged with one of ES384 before and
// after the budget of its address is spent.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string>
#include <vector>

#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "core/openssl.hpp"
#include "identity/test_tokens.hpp"
#include "identity/token_verifier.hpp"

namespace tidegate::bench {
namespace {

using openssl::Owned;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;

constexpr int kRounds = 11;
constexpr std::size_t kTokens = 1'000;
constexpr Times kTimes{.now_us = 1'800'000'000'000'000, .wall_us = 1'800'000'000'000'000};
const auto kAddress = IpAddress::parse("203.0.113.7");

std::string pem_of(EVP_PKEY* key) {
  const Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string text_of(std::string_view algorithm, std::size_t user) {
  return encode_base64url(fmt::format(R"({{"alg":"{}"}})", algorithm)) + '.' +
         encode_base64url(fmt::format(
             R"({{"sub":"user-{}","tier":"premium","iss":"https://issuer.example","exp":1900000000}})",
             user));
}

std::string rs256(EVP_PKEY* key, std::size_t user) {
  const std::string text = text_of("RS256", user);
  std::string signature(256, '\0');
  std::size_t size = signature.size();
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key);
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     openssl::bytes_of(text), text.size()) != 1) {
    fail("OpenSSL does not sign");
  }
  return text + '.' + encode_base64url(signature);
}

/// Two numbers within bounds, so that the whole verification is done.
std::string forged_es384(std::size_t user) {
  return text_of("ES384", user) + '.' + encode_base64url(std::string(96, '\x42'));
}

ClientIdentificationConfig config_for(std::string algorithm) {
  ClientIdentificationConfig config;
  config.jwt.emplace();
  config.jwt->algorithms = {std::move(algorithm)};
  config.jwt->public_key_file = "key.pem";
  return config;
}

TokenVerifier verifier_for(const ClientIdentificationConfig& config, EVP_PKEY* key) {
  auto keys = TokenKeys::from_pem(pem_of(key));
  if (!keys) fail(keys.error().message);
  return {config, std::move(*keys), HashKey{1, 2}};
}

struct Costs {
  double known_ns = 0;
  double new_ns = 0;
  double forged_ns = 0;
  double unread_ns = 0;
};

/// Nanoseconds a token, the median of some rounds.
template <class Verify>
double nanoseconds_a_token(const std::vector<std::string>& tokens, TokenVerdict wanted,
                           Verify&& verify) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    std::size_t right = 0;
    const double ns = nanoseconds_of([&] {
      for (const std::string& token : tokens) right += verify(token) == wanted ? 1 : 0;
    });
    if (right != tokens.size()) fail("a token got another verdict");
    rounds.push_back(ns / static_cast<double>(tokens.size()));
  }
  return median(rounds);
}

void measure_signed(Costs& costs) {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
  const auto config = config_for("RS256");
  std::vector<std::string> tokens;
  for (std::size_t user = 0; user < kTokens; ++user) tokens.push_back(rs256(key.get(), user));
  TokenVerifier verifier = verifier_for(config, key.get());
  ClientIdentity client;
  costs.new_ns = nanoseconds_a_token(tokens, TokenVerdict::valid, [&](const std::string& token) {
    return verifier.examine(token, kTimes.wall_us, client);
  });
  for (const std::string& token : tokens) verifier.verify(token, kAddress, kTimes, client);
  costs.known_ns = nanoseconds_a_token(tokens, TokenVerdict::cached, [&](const std::string& token) {
    return verifier.verify(token, kAddress, kTimes, client);
  });
}

void measure_forged(Costs& costs) {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
  const auto config = config_for("ES384");
  TokenVerifier verifier = verifier_for(config, key.get());
  std::vector<std::string> tokens;
  for (std::size_t user = 0; user < kTokens; ++user) tokens.push_back(forged_es384(user));
  ClientIdentity client;
  costs.forged_ns = nanoseconds_a_token(
      {tokens.begin(), tokens.begin() + 50}, TokenVerdict::bad_signature,
      [&](const std::string& token) { return verifier.examine(token, kTimes.wall_us, client); });
  for (std::size_t i = 0; i < config.jwt->max_failures_per_second; ++i) {
    verifier.verify(tokens[i], kAddress, kTimes, client);
  }
  costs.unread_ns = nanoseconds_a_token(
      tokens, TokenVerdict::unread,
      [&](const std::string& token) { return verifier.verify(token, kAddress, kTimes, client); });
}

}  // namespace
}  // namespace tidegate::bench

int main() {
  tidegate::bench::Costs costs;
  tidegate::bench::measure_signed(costs);
  tidegate::bench::measure_forged(costs);
  fmt::print(
      "{{\"known_ns\": {:.1f}, \"new_ns\": {:.1f}, \"forged_ns\": {:.1f}, \"unread_ns\": "
      "{:.1f}}}\n",
      costs.known_ns, costs.new_ns, costs.forged_ns, costs.unread_ns);
  return 0;
}
