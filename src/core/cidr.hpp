// Ranges of addresses, as configurations name them.
#pragma once

#include <optional>
#include <string_view>

#include "tidegate/client.hpp"

namespace tidegate {

/// An address range: "10.0.0.0/8", "2001:db8::/32", or one address.
class Cidr {
 public:
  /// Nothing if `text` is not an address or CIDR, or has bits set behind the prefix. A range
  /// written as IPv4-mapped IPv6 ("::ffff:10.0.0.0/104") is the IPv4 range; its prefix is then 96
  /// to 128.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const;

 private:
  IpAddress network_;
  unsigned prefix_ = 32;
};

/// `address` with every bit behind the first `prefix` cleared. A `prefix` beyond the address's
/// length changes nothing.
[[nodiscard]] IpAddress mask(const IpAddress& address, unsigned prefix);

}  // namespace tidegate
