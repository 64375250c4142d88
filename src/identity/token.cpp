#include "identity/token.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "core/base64url.hpp"

namespace tidegate {
namespace {

constexpr std::size_t kMaxUserBytes = 256;
/// No tier that can be configured has a longer name.
constexpr std::size_t kMaxTierBytes = 64;

/// header.payload.signature; nothing with more or fewer dots.
std::optional<std::array<std::string_view, 3>> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::array{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1)};
}

std::optional<JsonValue> object_of(std::string_view part) {
  const auto bytes = decode_base64url(part);
  if (!bytes) return std::nullopt;
  auto value = parse_json(*bytes);
  if (!value || value->type != JsonValue::Type::object) return std::nullopt;
  return std::move(*value);
}

struct JoseHeader {
  TokenVerdict verdict = TokenVerdict::malformed;
  SignatureAlgorithm algorithm = {};
  std::optional<std::string> kid;
};

/// Only `alg`, `kid`, `crit` and `b64` are looked at; keys that a token brings along (jwk, jku,
/// x5c, x5u) are nobody's.
JoseHeader read_jose_header(const JsonValue& json, const TokenRules& rules) {
  JoseHeader header;
  const JsonValue* const algorithm = json.find("alg");
  if (algorithm == nullptr || algorithm->string() == nullptr) return header;
  if (const JsonValue* const kid = json.find("kid"); kid != nullptr) {
    if (kid->string() == nullptr) return header;
    header.kid = kid->text;
  }
  const auto named = algorithm_named(algorithm->text);
  if (!named || std::ranges::find(rules.algorithms, *named) == rules.algorithms.end()) {
    header.verdict = TokenVerdict::wrong_algorithm;
    return header;
  }
  header.algorithm = *named;
  const JsonValue* const encoded = json.find("b64");
  const bool extended = json.find("crit") != nullptr || (encoded != nullptr && !encoded->is_true());
  header.verdict = extended ? TokenVerdict::critical : TokenVerdict::valid;
  return header;
}

/// Seconds since the Unix epoch, perhaps with a fraction, as microseconds. Nothing where it is no
/// number; times before the epoch are the epoch.
std::optional<Micros> micros_of(const JsonValue& value) {
  if (value.type != JsonValue::Type::number) return std::nullopt;
  double seconds = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, seconds);
  if (error != std::errc{} || stop != end) return std::nullopt;
  constexpr double kLatest_s = 1e13;  // in the year 318857
  return static_cast<Micros>(std::clamp(seconds, 0.0, kLatest_s) * 1e6);
}

/// The text of a user: of a string that string, of an integer its digits.
std::optional<std::string> user_of(const JsonValue& value) {
  if (value.string() != nullptr) {
    if (value.text.empty() || value.text.size() > kMaxUserBytes) return std::nullopt;
    return value.text;
  }
  if (value.type != JsonValue::Type::number) return std::nullopt;
  const auto digits_of = [&](auto number) -> std::optional<std::string> {
    const char* const end = value.text.data() + value.text.size();
    const auto [stop, error] = std::from_chars(value.text.data(), end, number);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return std::to_string(number);
  };
  return value.text.starts_with('-') ? digits_of(std::int64_t{}) : digits_of(std::uint64_t{});
}

bool is_meant_for(const JsonValue* audience, std::string_view us) {
  if (audience == nullptr) return false;
  const auto is_us = [us](const JsonValue& it) { return it.string() != nullptr && it.text == us; };
  return is_us(*audience) || std::ranges::any_of(audience->items, is_us);
}

/// Nothing where a time is no number.
std::optional<TokenClaims> read_claims(const JsonValue& payload, const TokenRules& rules) {
  TokenClaims claims;
  if (const JsonValue* const expires = payload.find("exp"); expires != nullptr) {
    const auto at = micros_of(*expires);
    if (!at) return std::nullopt;
    claims.until_us = *at + rules.leeway_us;
  }
  if (const JsonValue* const begins = payload.find("nbf"); begins != nullptr) {
    const auto at = micros_of(*begins);
    if (!at) return std::nullopt;
    claims.from_us = *at - std::min(*at, rules.leeway_us);
  }
  const JsonValue* const issuer = payload.find("iss");
  if (!rules.issuer.empty() &&
      (issuer == nullptr || issuer->string() == nullptr || issuer->text != rules.issuer)) {
    claims.verdict = TokenVerdict::wrong_issuer;
    return claims;
  }
  if (!rules.audience.empty() && !is_meant_for(payload.find("aud"), rules.audience)) {
    claims.verdict = TokenVerdict::wrong_audience;
    return claims;
  }
  const JsonValue* named = payload.find(rules.user_claim);
  if (named == nullptr) named = payload.find("sub");
  const auto user = named == nullptr ? std::nullopt : user_of(*named);
  if (!user) {
    claims.verdict = TokenVerdict::no_user;
    return claims;
  }
  claims.client = "user:" + *user;
  if (const JsonValue* const tier = payload.find(rules.tier_claim);
      tier != nullptr && tier->string() != nullptr && tier->text.size() <= kMaxTierBytes) {
    claims.tier = tier->text;
  }
  return claims;
}

}  // namespace

TokenRules::TokenRules(const JwtConfig& config)
    : user_claim(config.user_claim),
      tier_claim(config.tier_claim),
      issuer(config.issuer),
      audience(config.audience),
      leeway_us(micros_of(config.leeway)),
      verify_signature(config.verify_signature) {
  for (const std::string& name : config.algorithms) {
    if (const auto algorithm = algorithm_named(name)) algorithms.push_back(*algorithm);
  }
}

ReadToken read_token(std::string_view token, const TokenRules& rules, const TokenKeys& keys) {
  ReadToken read;
  const auto parts = split(token);
  if (!parts) return read;
  const auto [header_part, payload_part, signature_part] = *parts;
  const auto header_json = object_of(header_part);
  const auto signature = decode_base64url(signature_part);
  if (!header_json || !signature) return read;
  const JoseHeader header = read_jose_header(*header_json, rules);
  read.verdict = header.verdict;
  if (header.verdict != TokenVerdict::valid) return read;
  if (rules.verify_signature) {
    const std::string_view signed_text =
        token.substr(0, header_part.size() + 1 + payload_part.size());
    const TokenKeys::Checked checked =
        keys.check(header.algorithm, header.kid, signed_text, *signature);
    read.verdict = checked.verdict;
    read.tried = checked.tried;
    if (checked.verdict != TokenVerdict::valid) return read;
  }
  const auto payload = object_of(payload_part);
  auto claims = payload ? read_claims(*payload, rules) : std::nullopt;
  if (!claims) {
    read.verdict = TokenVerdict::malformed;
    return read;
  }
  read.claims = std::move(*claims);
  return read;
}

std::expected<ClientIdentity, TokenVerdict> extract_user_from_jwt(std::string_view token,
                                                                  const JwtConfig& config,
                                                                  std::string_view keys,
                                                                  std::uint64_t wall_us) {
  if (token.size() > kMaxTokenBytes) return std::unexpected(TokenVerdict::too_large);
  const auto parsed = TokenKeys::from_source(config, keys);
  if (!parsed) return std::unexpected(TokenVerdict::unknown_key);
  ReadToken read = read_token(token, TokenRules(config), *parsed);
  if (read.verdict == TokenVerdict::valid) read.verdict = read.claims.verdict_at(wall_us);
  if (read.verdict != TokenVerdict::valid) return std::unexpected(read.verdict);
  ClientIdentity client;
  client.client_id = std::move(read.claims.client);
  client.client_type = ClientType::user;
  if (!read.claims.tier.empty()) client.tier = std::move(read.claims.tier);
  return client;
}

}  // namespace tidegate
