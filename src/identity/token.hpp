// One token, read and checked: no memory of others, no budget.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "identity/json.hpp"
#include "identity/token_keys.hpp"
#include "tidegate/config.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

/// What a configuration says of tokens, compiled. Immutable; thread-safe.
struct TokenRules {
  explicit TokenRules(const JwtConfig& config);

  std::vector<SignatureAlgorithm> algorithms;
  std::string user_claim;
  std::string tier_claim;
  std::string issuer;
  std::string audience;
  Micros leeway_us;
  bool verify_signature;
};

/// What a token that was really signed says. It stays true as long as the keys do.
struct TokenClaims {
  std::string client = {};                     ///< "user:<id>"
  std::string tier = {};                       ///< "" without one
  Micros from_us = 0;                          ///< not before, leeway included
  Micros until_us = kEver;                     ///< no more at this time, leeway included
  TokenVerdict verdict = TokenVerdict::valid;  ///< whatever the time

  static constexpr Micros kEver = std::numeric_limits<Micros>::max();
  [[nodiscard]] TokenVerdict verdict_at(Micros wall_us) const {
    if (wall_us >= until_us) return TokenVerdict::expired;
    if (wall_us < from_us) return TokenVerdict::not_yet_valid;
    return verdict;
  }
};

struct ReadToken {
  /// `valid`: it was signed by one of our keys, and `claims` is what it says.
  TokenVerdict verdict = TokenVerdict::malformed;
  TokenClaims claims = {};
  std::size_t tried = 0;  ///< keys
};
/// Reads a compact JWS of at most kMaxTokenBytes. The order is that of RFC 8725: form, algorithm,
/// key, signature; what is inside is only read when that holds.
[[nodiscard]] ReadToken read_token(std::string_view token, const TokenRules& rules,
                                   const TokenKeys& keys);

}  // namespace tidegate
