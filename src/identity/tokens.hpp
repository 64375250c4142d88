// Bearer tokens: from the header of a request to the user it names.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "identity/failure_budget.hpp"
#include "identity/token_cache.hpp"
#include "identity/token_keys.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/function_ref.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

/// The checks of one token, without memory of others. Immutable.
class TokenVerifier {
 public:
  TokenVerifier(const JwtConfig& config, TokenKeys keys);

  struct Verified {
    TokenVerdict verdict = TokenVerdict::malformed;
    TokenUser user = {};       ///< where valid
    Micros until_us = 0;  ///< when it stops being valid
    bool costly = false;  ///< a signature was verified
  };
  /// `wall_us`: microseconds since the Unix epoch, which `exp` and `nbf` are held against.
  [[nodiscard]] Verified verify(std::string_view token, Micros wall_us) const;

  static constexpr std::size_t kMaxBytes = 8'192;

 private:
  JwtConfig config_;
  std::vector<TokenAlgorithm> algorithms_;
  TokenKeys keys_;
};

/// The same with a memory: of tokens that were good, and of addresses that sent bad ones. Any
/// thread.
class Tokens {
 public:
  /// `hash_key` keys what it remembers by. The configuration must be valid.
  Tokens(const JwtConfig& config, TokenKeys keys, const HashKey& hash_key);

  /// Looks for a token among the header lines. Where valid, `client` becomes "user:" and the user,
  /// `tier` what the token says; else both are left as they are. `append_address` writes the client
  /// as his address alone would make him, whose bad tokens are counted. A token seen before costs
  /// no cryptography and no allocation.
  TokenVerdict identify(const HeaderLines* headers, FunctionRef<void(std::string&)> append_address,
                        Micros wall_us, std::string& client, std::string& tier);

 private:
  TokenVerifier verifier_;
  TokenCache cache_;
  FailureBudget budget_;
};

/// The tokens of a configuration; null if it has none. `material` is what its secret_env,
/// public_key_file or jwks_file stands for. An error says what is wrong with that.
[[nodiscard]] std::expected<std::shared_ptr<Tokens>, std::string> make_tokens(
    const ClientIdentificationConfig& config, std::string_view material, const HashKey& hash_key);

}  // namespace tidegate
