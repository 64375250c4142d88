// Bearer tokens (JWT): what became of one, and who a single one names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "tidegate/client.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// What became of the token of a request. Only `valid` and `cached` name a client; with every other
/// verdict the request is as anonymous as one without a token.
enum class TokenVerdict : std::uint8_t {
  none,             ///< nobody looked: tokens are off, or the client was known before
  missing,          ///< no Authorization header with the scheme Bearer
  valid,            ///< verified
  cached,           ///< verified before, and still in force
  ambiguous,        ///< several Authorization lines that differ
  too_large,        ///< above kMaxTokenBytes: not read
  unread,           ///< its address has sent too many bad tokens within this second: not read
  malformed,        ///< no compact JWS of three parts, or not strict base64url and JSON
  wrong_algorithm,  ///< signed with an algorithm that is not configured
  critical,         ///< its header asks for an extension (`crit`, `b64`); there are none
  unknown_key,      ///< no key of ours has its `kid`, or none is of the right kind
  bad_signature,
  expired,
  not_yet_valid,
  wrong_issuer,
  wrong_audience,
  no_user  ///< neither claim names a user: a string of 1 to 256 bytes, or an integer of 64 bits
};
inline constexpr std::size_t kTokenVerdicts = 17;
/// The label `verdict` of rate_limit_tokens_total: the name of the value.
[[nodiscard]] std::string_view to_string(TokenVerdict verdict);

/// Longer tokens are refused unread.
inline constexpr std::size_t kMaxTokenBytes = std::size_t{8} << 10;

/// Who a token names by `config`: client_id "user:<id>", and as tier whatever the token says (a
/// limiter takes only those that are configured), else "anonymous". `keys` is what the configured
/// source holds: the HMAC secret itself, or the text of the PEM or JWKS file. `wall_us` is the time
/// to hold `exp` and `nbf` against, microseconds since the Unix epoch. Without a verdict of `valid`
/// the error is why; keys that cannot be used are `unknown_key`. Reads the keys anew each time, and
/// remembers nothing: for tests and tools. Thread-safe.
[[nodiscard]] std::expected<ClientIdentity, TokenVerdict> extract_user_from_jwt(
    std::string_view token, const JwtConfig& config, std::string_view keys, std::uint64_t wall_us);

}  // namespace tidegate
