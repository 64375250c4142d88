#include "core/cidr.hpp"

#include <algorithm>
#include <charconv>

namespace tidegate {
namespace {

unsigned bits_of(const IpAddress& address) {
  return static_cast<unsigned>(address.bytes().size()) * 8;
}

std::optional<unsigned> parse_prefix(std::string_view text) {
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return prefix;
}

}  // namespace

IpAddress mask(const IpAddress& address, unsigned prefix) {
  std::array<std::uint8_t, 16> bytes{};
  const auto from = address.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const unsigned kept = std::min(8U, prefix - std::min(prefix, static_cast<unsigned>(i) * 8));
    bytes[i] = static_cast<std::uint8_t>(from[i] & (0xff00U >> kept));
  }
  // Masking never makes a mapped address of another one: the mapping is in the first 96 bits.
  return address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]})
                         : IpAddress::v6(bytes);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const auto address = IpAddress::parse(address_text);
  if (!address) return std::nullopt;

  Cidr cidr;
  cidr.network_ = *address;
  cidr.prefix_ = bits_of(*address);
  if (slash == std::string_view::npos) return cidr;

  const auto prefix = parse_prefix(text.substr(slash + 1));
  if (!prefix) return std::nullopt;
  const bool mapped = address->is_v4() && address_text.find(':') != std::string_view::npos;
  const unsigned skipped = mapped ? 96 : 0;
  if (*prefix < skipped || *prefix - skipped > cidr.prefix_) return std::nullopt;
  cidr.prefix_ = *prefix - skipped;
  if (mask(*address, cidr.prefix_) != *address) return std::nullopt;
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
  return address.is_v4() == network_.is_v4() && mask(address, prefix_) == network_;
}

}  // namespace tidegate
