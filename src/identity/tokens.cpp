#include "identity/tokens.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <boost/json/value.hpp>

#include "core/ascii.hpp"
#include "core/strict_json.hpp"
#include "identity/base64url.hpp"
#include "identity/header.hpp"

namespace tidegate {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxUserBytes = 256;
/// Keys that a token without a `kid` is held against.
constexpr std::size_t kMaxTries = 8;
constexpr Micros kForEver = std::numeric_limits<Micros>::max();

/// The three parts of a compact JWS; the last may be empty.
struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

std::optional<json::object> read_object(std::string_view part) {
  const auto text = decode_base64url(part);
  if (!text) return std::nullopt;
  auto value = parse_strict_json(*text, kMaxDepth);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

/// A time in a claim (RFC 7519, 2: seconds, perhaps with a fraction), in microseconds since the
/// epoch; what is too early or too late for that is the first or last there is. Nothing if the
/// value is no number.
std::optional<Micros> time_of(const json::value& value) {
  constexpr double kLatest_s = 9e12;
  double seconds = 0;
  if (const double* number = value.if_double()) {
    seconds = *number;
  } else if (const std::int64_t* integer = value.if_int64()) {
    if (*integer >= 0 && *integer < static_cast<std::int64_t>(kLatest_s)) {
      return static_cast<Micros>(*integer) * 1'000'000;  // a double would round
    }
    seconds = static_cast<double>(*integer);
  } else if (const std::uint64_t* large = value.if_uint64()) {
    seconds = static_cast<double>(*large);
  } else {
    return std::nullopt;
  }
  if (!(seconds > 0)) return 0;
  return seconds >= kLatest_s ? kForEver : static_cast<Micros>(std::floor(seconds * 1e6));
}

bool names(const json::value& audience, std::string_view wanted) {
  const auto is_it = [wanted](const json::value& each) {
    return each.is_string() && std::string_view(each.get_string()) == wanted;
  };
  const json::array* list = audience.if_array();
  return list == nullptr ? is_it(audience) : std::ranges::any_of(*list, is_it);
}

/// A string, or strings.
bool is_audience(const json::value& audience) {
  const auto is_string = [](const json::value& each) { return each.is_string(); };
  const json::array* list = audience.if_array();
  return list == nullptr ? audience.is_string() : std::ranges::all_of(*list, is_string);
}

std::optional<std::string> user_in(const json::object& claims, const std::string& name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr) value = claims.if_contains("sub");
  if (value == nullptr) return std::nullopt;
  if (const std::int64_t* number = value->if_int64()) return std::to_string(*number);
  if (const std::uint64_t* number = value->if_uint64()) return std::to_string(*number);
  const json::string* text = value->if_string();
  if (text == nullptr || text->empty() || text->size() > kMaxUserBytes) return std::nullopt;
  return std::string(text->data(), text->size());
}

/// What the claims say against a token; nothing: nothing.
std::optional<TokenVerdict> check_claims(const json::object& claims, const JwtConfig& config,
                                         Micros wall_us, Micros& until_us) {
  const Micros leeway = static_cast<Micros>(config.leeway.count());
  until_us = kForEver;
  if (const json::value* exp = claims.if_contains("exp")) {
    const auto time = time_of(*exp);
    if (!time) return TokenVerdict::malformed;
    until_us = *time > kForEver - leeway ? kForEver : *time + leeway;
    if (wall_us >= until_us) return TokenVerdict::expired;
  }
  if (const json::value* nbf = claims.if_contains("nbf")) {
    const auto time = time_of(*nbf);
    if (!time) return TokenVerdict::malformed;
    if (wall_us + leeway < *time) return TokenVerdict::not_yet_valid;
  }
  const json::value* issuer = claims.if_contains("iss");
  if (issuer != nullptr && !issuer->is_string()) return TokenVerdict::malformed;
  if (!config.issuer.empty() &&
      (issuer == nullptr || std::string_view(issuer->get_string()) != config.issuer)) {
    return TokenVerdict::wrong_issuer;
  }
  const json::value* audience = claims.if_contains("aud");
  if (audience != nullptr && !is_audience(*audience)) return TokenVerdict::malformed;
  if (!config.audience.empty() && (audience == nullptr || !names(*audience, config.audience))) {
    return TokenVerdict::wrong_audience;
  }
  return std::nullopt;
}

/// The token of "Bearer TOKEN"; "" if there is none.
std::string_view bearer_token(const HeaderLines* headers) {
  constexpr std::string_view kScheme = "Bearer";
  const HeaderValue value = read_header(headers, "Authorization");
  if (value.state != HeaderState::present) return {};
  const std::size_t blank = value.text.find_first_of(" \t");
  if (blank == std::string_view::npos ||
      !equal_ignoring_case(value.text.substr(0, blank), kScheme)) {
    return {};
  }
  return trim_blanks(value.text.substr(blank));
}

HashKey derived(const HashKey& key, std::string_view purpose) {
  const Hash128 hash = siphash128(key, purpose);
  return {hash.low, hash.high};
}

}  // namespace

TokenVerifier::TokenVerifier(const JwtConfig& config, TokenKeys keys)
    : config_(config), algorithms_(algorithms_of(config)), keys_(std::move(keys)) {}

TokenVerifier::Verified TokenVerifier::verify(std::string_view token, Micros wall_us) const {
  if (token.size() > kMaxBytes) return {.verdict = TokenVerdict::too_large};
  const auto parts = split(token);
  if (!parts) return {};
  const auto header = read_object(parts->header);
  if (!header) return {};
  if (header->contains("crit")) return {.verdict = TokenVerdict::critical};
  const json::value* name = header->if_contains("alg");
  if (name == nullptr || !name->is_string()) return {};
  const json::value* kid = header->if_contains("kid");
  if (kid != nullptr && !kid->is_string()) return {};

  const auto algorithm = find_algorithm(std::string_view(name->get_string()));
  if (!algorithm || std::ranges::find(algorithms_, *algorithm) == algorithms_.end()) {
    return {.verdict = TokenVerdict::wrong_algorithm};
  }
  // Only those of its kind: a public key is never taken for a secret.
  std::vector<const TokenKey*> candidates;
  for (const TokenKey& key : keys_.keys) {
    const bool selected =
        !keys_.selected_by_id || kid == nullptr || key.id == std::string_view(kid->get_string());
    const bool fits =
        key.kind == kind_of(*algorithm) && (!key.algorithm || *key.algorithm == *algorithm);
    if (selected && fits && candidates.size() < kMaxTries) candidates.push_back(&key);
  }
  if (candidates.empty() && config_.verify_signature) {
    return {.verdict = TokenVerdict::unknown_key};
  }

  const auto claims = read_object(parts->payload);
  const auto signature = decode_base64url(parts->signature);
  if (!claims || !signature) return {};
  Verified out;
  if (const auto against = check_claims(*claims, config_, wall_us, out.until_us)) {
    return {.verdict = *against};
  }
  auto user = user_in(*claims, config_.user_claim);
  if (!user) return {.verdict = TokenVerdict::no_user};

  if (config_.verify_signature) {
    out.costly = true;
    const bool good = std::ranges::any_of(candidates, [&](const TokenKey* key) {
      return key->verifies(*algorithm, parts->signed_text, *signature);
    });
    if (!good) return {.verdict = TokenVerdict::bad_signature, .costly = true};
  }
  out.verdict = TokenVerdict::valid;
  out.user.user = std::move(*user);
  if (const json::value* tier = claims->if_contains(config_.tier_claim);
      tier != nullptr && tier->is_string()) {
    out.user.tier = tier->get_string();
  }
  return out;
}

Tokens::Tokens(const JwtConfig& config, TokenKeys keys, const HashKey& hash_key)
    : verifier_(config, std::move(keys)),
      cache_(derived(hash_key, "key of tokens")),
      budget_(config.max_failures_per_second, derived(hash_key, "key of bad tokens")) {}

TokenVerdict Tokens::identify(const HeaderLines* headers,
                              FunctionRef<void(std::string&)> append_address, Micros wall_us,
                              std::string& client, std::string& tier) {
  const std::string_view token = bearer_token(headers);
  if (token.empty()) return TokenVerdict::missing;
  if (token.size() > TokenVerifier::kMaxBytes) return TokenVerdict::too_large;
  const Hash128 name = cache_.name_of(token);
  if (cache_.find(name, wall_us, client, tier)) return TokenVerdict::valid;

  std::string address;
  append_address(address);
  if (!budget_.left(address, wall_us)) return TokenVerdict::unread;
  const TokenVerifier::Verified verified = verifier_.verify(token, wall_us);
  if (verified.verdict != TokenVerdict::valid) {
    if (verified.costly) budget_.spend(address, wall_us);
    return verified.verdict;
  }
  client = "user:" + verified.user.user;
  tier = verified.user.tier;
  cache_.keep(name, verified.until_us, wall_us, client, tier);
  return TokenVerdict::valid;
}

std::expected<std::shared_ptr<Tokens>, std::string> make_tokens(
    const ClientIdentificationConfig& config, std::string_view material, const HashKey& hash_key) {
  if (!config.jwt) return nullptr;
  TokenKeys keys;
  if (config.jwt->verify_signature) {
    auto read = read_token_keys(*config.jwt, material);
    if (!read) return std::unexpected(std::move(read.error()));
    keys = std::move(*read);
  }
  return std::make_shared<Tokens>(*config.jwt, std::move(keys), hash_key);
}

std::expected<TokenUser, TokenVerdict> extract_user_from_jwt(std::string_view token,
                                                             const JwtConfig& config,
                                                             std::string_view keys,
                                                             std::uint64_t wall_us) {
  TokenKeys read;
  if (config.verify_signature) {
    auto found = read_token_keys(config, keys);
    if (!found) return std::unexpected(TokenVerdict::unknown_key);
    read = std::move(*found);
  }
  TokenVerifier::Verified verified = TokenVerifier(config, std::move(read)).verify(token, wall_us);
  if (verified.verdict != TokenVerdict::valid) return std::unexpected(verified.verdict);
  return std::move(verified.user);
}

}  // namespace tidegate
