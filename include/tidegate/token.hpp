// Tokens: what became of the one that a request carried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "tidegate/config.hpp"

namespace tidegate {

/// Everything but `valid` makes an anonymous request. In the order in which they are looked for.
enum class TokenVerdict : std::uint8_t {
  missing,          ///< no `Authorization: Bearer`, or several that differ
  valid,            ///< verified, now or before
  too_large,        ///< above 8 KiB: refused unread
  unread,           ///< unknown, and the address has sent too many bad ones lately
  malformed,        ///< no JWS in its one spelling, not JSON, members twice or of a wrong type
  critical,         ///< asks for something that must be understood (`crit`)
  wrong_algorithm,  ///< signed in another way than configured; `none` is always another
  unknown_key,      ///< no key of ours by its `kid`, or none of its kind
  expired,          ///< `exp` is over, with the leeway
  not_yet_valid,    ///< `nbf` is still to come
  wrong_issuer,     ///< `iss` is not the configured one
  wrong_audience,   ///< `aud` does not name the configured one
  no_user,          ///< names no user: a string of 1 to 256 bytes, or an integer
  bad_signature
};
inline constexpr std::size_t kTokenVerdicts = 14;
/// "bad_signature" and so on, as in metrics.
[[nodiscard]] std::string_view to_string(TokenVerdict verdict);

/// Whom a verified token names.
struct TokenUser {
  std::string user;  ///< 1 to 256 bytes
  std::string tier;  ///< "" if it names none
};

/// Verifies one token without a server, as a limiter with this configuration would: `token` is the
/// text behind "Bearer ", `keys` is what secret_env, public_key_file or jwks_file stands for,
/// `wall_us` the time, microseconds since the Unix epoch. Keys that are none are `unknown_key`. Any
/// thread; does no I/O. Costs what reading the keys costs: for many tokens use a Limiter.
[[nodiscard]] std::expected<TokenUser, TokenVerdict> extract_user_from_jwt(std::string_view token,
                                                                           const JwtConfig& config,
                                                                           std::string_view keys,
                                                                           std::uint64_t wall_us);

}  // namespace tidegate
