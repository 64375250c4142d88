// Who is asking: addresses and the identity that limits are counted for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tidegate/error.hpp"

namespace tidegate {

/// An IPv4 or IPv6 address in canonical form: an IPv4-mapped IPv6 address *is* the IPv4 address,
/// and zone ids are dropped. A value; compare with ==.
class IpAddress {
 public:
  /// 0.0.0.0.
  constexpr IpAddress() = default;
  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> bytes);
  /// Maps ::ffff:a.b.c.d to a.b.c.d.
  [[nodiscard]] static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);
  /// Reads "203.0.113.7", "2001:db8::1", "fe80::1%eth0". Strict: no port, no brackets, no leading
  /// zeros in IPv4. Nothing if it is not an address.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] constexpr bool is_v4() const { return v4_; }
  /// 4 or 16 bytes in network order.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return {bytes_.data(), v4_ ? std::size_t{4} : std::size_t{16}};
  }
  /// Canonical text (RFC 5952 for IPv6), appended.
  void append_to(std::string& out) const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

enum class ClientType : std::uint8_t { ip, user, key };
inline constexpr std::size_t kClientTypes = 3;
[[nodiscard]] std::string_view to_string(ClientType type);

/// The client that limits are counted for.
struct ClientIdentity {
  std::string
      client_id;  ///< "ip:203.0.113.7", "ip:2001:db8:1:2::/64", "user:42", "key:9f86d081884c"
  ClientType client_type = ClientType::ip;
  std::string tier = "anonymous";
  std::map<std::string, std::string>
      metadata;  ///< free for the caller; the engine does not read it
};

/// The canonical text of an address: normalize_ip("::ffff:203.0.113.7") is "203.0.113.7",
/// normalize_ip("2001:DB8:1:2:3::4", 64) is "2001:db8:1:2::/64". `ipv6_prefix` 128 groups nothing
/// and adds no "/128". Nothing if `text` is not an address.
[[nodiscard]] std::optional<std::string> normalize_ip(std::string_view text,
                                                      unsigned ipv6_prefix = 64);

}  // namespace tidegate
