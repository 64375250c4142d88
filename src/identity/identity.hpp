// Request -> client: addresses behind proxies and header keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cidr.hpp"
#include "core/hash.hpp"
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// Which hops are trusted to name the client; compiled once from the configuration.
struct ProxyTrust {
  std::uint32_t depth = 0;
  std::vector<Cidr> proxies;
};

/// The client's address by contract 2: the peer, or an entry of X-Forwarded-For if the hops that
/// added it are trusted. `peer` empty (a unix socket) counts as a trusted hop. Nothing: no address
/// is known ("ip:local"). Reads at most the last 32 entries; allocates nothing.
[[nodiscard]] std::optional<IpAddress> get_client_ip(const std::optional<IpAddress>& peer,
                                                     const HeaderLines* headers,
                                                     const ProxyTrust& trust);

/// Turns requests into clients by the configured steps. Immutable; thread-safe.
class Identifier {
 public:
  /// `hash_key` keys the hash that stands for the value of a header key ("key:<12 hex digits>").
  Identifier(const ClientIdentificationConfig& config, const HashKey& hash_key);

  /// Fills in client_id, client_type and tier, reusing `out`'s memory. Also returns the address
  /// found, for exemptions, which are compared in full before prefix grouping.
  std::optional<IpAddress> identify(const Request& request, ClientIdentity& out) const;

  /// One line per step for `tidegate explain`: what was looked at, what it gave, what was skipped.
  [[nodiscard]] std::vector<std::string> explain(const Request& request) const;

 private:
  struct Step {
    enum class Kind : std::uint8_t { jwt, ip, header } kind;
    std::string header;
  };
  std::vector<Step> steps_;
  ProxyTrust trust_;
  unsigned ipv6_prefix_;
  HashKey hash_key_;
};

}  // namespace tidegate
