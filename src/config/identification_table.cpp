#include "config/tables.hpp"

namespace tidegate::config {
namespace {

using namespace std::chrono_literals;

Kind<std::string> jwt_algorithm() {
  std::vector<std::pair<std::string, bool>> names;
  for (const char* name :
       {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"}) {
    names.emplace_back(name, true);
  }
  const Kind<bool> known = word<bool>(names);
  return text(known.allowed, [known](const std::string& value) -> std::optional<std::string> {
    if (known.read(Node{.place = {}, .value = value})) return std::nullopt;
    return "";
  });
}

const Fields<JwtConfig>& jwt_fields() {
  static const Fields<JwtConfig> fields{
      list("algorithms", &JwtConfig::algorithms, jwt_algorithm(), Emptiness::refused,
           "what tokens may be signed with"),
      field("secret_env", &JwtConfig::secret_env, or_empty(environment_variable(), "none"),
            "names the variable with the HMAC secret"),
      field("public_key_file", &JwtConfig::public_key_file, or_empty(file_path(), "none"),
            "the issuer's public key"),
      field("jwks_file", &JwtConfig::jwks_file, or_empty(file_path(), "none"),
            "the issuer's key set"),
      field("user_claim", &JwtConfig::user_claim, line(), "the claim that names the user"),
      field("tier_claim", &JwtConfig::tier_claim, line(), "the claim that names the tier"),
      field("issuer", &JwtConfig::issuer, or_empty(line(), "any"), "who must have issued a token"),
      field("audience", &JwtConfig::audience, or_empty(line(), "any"), "whom it must be meant for"),
      field("leeway", &JwtConfig::leeway, duration(0ms, 1h), "for clocks that differ"),
      field("verify_signature", &JwtConfig::verify_signature, boolean(),
            "false believes every token"),
      field("max_failures_per_second", &JwtConfig::max_failures_per_second,
            integer<std::uint32_t>(1, 1'000'000), "bad tokens read from one address"),
  };
  return fields;
}

}  // namespace

const Fields<ClientIdentificationConfig>& client_identification_fields() {
  using Config = ClientIdentificationConfig;
  static const Fields<Config> fields{
      list("identify", &Config::identify, identification_step(), Emptiness::refused,
           "how to tell clients apart: the first that yields one"),
      // No more entries of X-Forwarded-For are read.
      field("trusted_proxy_depth", &Config::trusted_proxy_depth, integer<std::uint32_t>(0, 32),
            "trusted hops in front of us, the socket's peer included"),
      list("trusted_proxies", &Config::trusted_proxies, address_range(), Emptiness::allowed,
           "the trusted hops by address, instead of a depth"),
      field("ipv6_prefix", &Config::ipv6_prefix, integer<std::uint32_t>(1, 128),
            "bits of an IPv6 address that make a client"),
      table("jwt", &Config::jwt, jwt_fields()),
  };
  return fields;
}

}  // namespace tidegate::config
