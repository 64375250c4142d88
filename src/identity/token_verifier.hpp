// Tokens as a server meets them: again and again, and from whoever likes to send them.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "identity/failure_budget.hpp"
#include "identity/token.hpp"
#include "identity/token_cache.hpp"
#include "identity/token_keys.hpp"
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// One configuration and one set of keys: other keys are another verifier, with nothing in its
/// cache. Any number of threads.
class TokenVerifier {
 public:
  /// `config` names tokens (its `jwt` is there). `key` is secret and random: it keys the hashes of
  /// tokens and addresses.
  TokenVerifier(const ClientIdentificationConfig& config, TokenKeys keys, const HashKey& key);
  /// With the keys that were loaded with a configuration; null where that has no tokens. An error
  /// says what is wrong with them.
  [[nodiscard]] static std::expected<std::shared_ptr<TokenVerifier>, Error> create(
      const LoadedConfig& loaded, const HashKey& key);

  /// Fills in client_id, client_type and tier ("" without one) where the verdict is `valid` or
  /// `cached`. A token that is not known and fails spends of what `address` may fail within a
  /// second; where nothing is left, the token is not read.
  TokenVerdict verify(std::string_view token, const std::optional<IpAddress>& address,
                      const Times& times, ClientIdentity& out);
  /// The same without cache and budget: changes nothing.
  TokenVerdict examine(std::string_view token, Micros wall_us, ClientIdentity& out) const;

 private:
  [[nodiscard]] std::uint64_t hash_of(const std::optional<IpAddress>& address) const;

  TokenRules rules_;
  TokenKeys keys_;
  unsigned ipv6_prefix_;
  HashKey address_key_;
  TokenCache cache_;
  FailureBudget budget_;
};

}  // namespace tidegate
