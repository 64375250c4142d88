// The client's address behind proxies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/cidr.hpp"
#include "tidegate/client.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

inline constexpr std::string_view kForwardedHeader = "X-Forwarded-For";
/// Entries of X-Forwarded-For that are read, from the right: what is further left has passed more
/// proxies than anybody runs.
inline constexpr std::size_t kMaxForwardedEntries = 32;

/// Which hops are trusted to name the client; compiled once from the configuration. Every entry of
/// X-Forwarded-For was written by the hop to its right (the last one by the socket peer), so an
/// entry is worth as much as the hops behind it; the left end is whatever an attacker typed.
struct ProxyTrust {
  std::uint32_t depth = 0;    ///< trusted hops, the socket peer included
  std::vector<Cidr> proxies;  ///< trusted by address instead
};

/// Where a client's address comes from.
struct ClientAddress {
  enum class Source : std::uint8_t {
    peer,            ///< no proxy is trusted
    untrusted_peer,  ///< proxies are trusted by address, and the peer is none of them
    too_few,         ///< the peer, as there are fewer entries than trusted hops
    not_an_address,  ///< the peer, as entry number `entry` on the way is no address
    entry,           ///< entry number `entry`, written by a trusted hop
    leftmost         ///< entry number `entry`, the last that is read: every hop is trusted
  };
  std::optional<IpAddress> address;  ///< nothing: the peer, which has no address
  Source source = Source::peer;
  std::size_t entry = 0;  ///< counted from the right, from 1
};

/// Follows the trusted hops from the peer to the client. A `peer` without an address (a unix
/// socket) counts as a trusted hop. Allocates nothing.
[[nodiscard]] ClientAddress find_client_address(const std::optional<IpAddress>& peer,
                                                const HeaderLines* headers,
                                                const ProxyTrust& trust);

/// Only the address; nothing: no address is known ("ip:local").
[[nodiscard]] std::optional<IpAddress> get_client_ip(const std::optional<IpAddress>& peer,
                                                     const HeaderLines* headers,
                                                     const ProxyTrust& trust);

/// Reads an entry of X-Forwarded-For: an address, perhaps with blanks around it, a port or brackets
/// ("1.2.3.4:5", "[::1]:5", "[::1]", "fe80::1%eth0").
[[nodiscard]] std::optional<IpAddress> parse_forwarded_entry(std::string_view text);

}  // namespace tidegate
