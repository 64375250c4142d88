// X-Forwarded-For: whatever an attacker sends, it does not change what trusted hops have written,
// nor anything where nobody is trusted. Each line of the input is a line of the header.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/cidr.hpp"
#include "identity/forwarded.hpp"

namespace {

class Lines final : public tidegate::HeaderLines {
 public:
  explicit Lines(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines.emplace_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  void each(std::string_view, tidegate::FunctionRef<bool(std::string_view)> use) const override {
    for (const std::string& line : lines) {
      if (!use(line)) return;
    }
  }
  std::vector<std::string> lines;
};

void require(bool condition) {
  if (!condition) std::abort();
}

/// An address reads as itself, however it was written.
void require_round_trip(std::string_view text) {
  const auto address = tidegate::IpAddress::parse(text);
  if (!address) return;
  std::string canonical;
  address->append_to(canonical);
  require(tidegate::IpAddress::parse(canonical) == address);
  const auto range = tidegate::Cidr::parse(text);
  require(range && range->contains(*address));
  const auto group = tidegate::normalize_ip(text, 64);
  require(group && tidegate::Cidr::parse(*group).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Lines headers({reinterpret_cast<const char*>(data), size});
  const auto peer = tidegate::IpAddress::parse("198.51.100.9");
  const auto client = tidegate::IpAddress::parse("203.0.113.7");
  const tidegate::ProxyTrust nobody;
  const tidegate::ProxyTrust depth_two{.depth = 2, .proxies = {}};
  const tidegate::ProxyTrust by_address{
      .depth = 0,
      .proxies = {*tidegate::Cidr::parse("198.51.100.0/24"), *tidegate::Cidr::parse("10.0.0.0/8")}};

  for (const std::string& line : headers.lines) require_round_trip(line);
  require(tidegate::get_client_ip(peer, &headers, nobody) == peer);
  require(tidegate::get_client_ip(client, &headers, by_address) == client);
  (void)tidegate::get_client_ip(peer, &headers, by_address);
  (void)tidegate::get_client_ip({}, &headers, depth_two);

  if (headers.lines.empty()) headers.lines.emplace_back();
  headers.lines.back() += ",203.0.113.7, 10.0.0.1:80";
  require(tidegate::get_client_ip(peer, &headers, depth_two) == client);
  require(tidegate::get_client_ip(peer, &headers, by_address) == client);
  return 0;
}
