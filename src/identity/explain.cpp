// Identification in plain words. The steps themselves are asked, so that the words cannot disagree
// with what is decided.
#include <fmt/format.h>

#include "identity/header.hpp"
#include "identity/identity.hpp"

namespace tidegate {
namespace {

std::string text_of(const std::optional<IpAddress>& address) {
  std::string text;
  if (!address) return "no address (local)";
  address->append_to(text);
  return text;
}

/// Why the address is the one it is.
std::string reason_of(const ClientAddress& found, const ProxyTrust& trust, bool has_list) {
  const std::string number =
      fmt::format("entry {} of {} from the right", found.entry, kForwardedHeader);
  switch (found.source) {
    case ClientAddress::Source::peer:
      if (!has_list) return "the socket peer";
      return fmt::format("the socket peer; {} is ignored, as no proxy is trusted",
                         kForwardedHeader);
    case ClientAddress::Source::untrusted_peer:
      return fmt::format("the socket peer, which is none of trusted_proxies; {} is not read",
                         kForwardedHeader);
    case ClientAddress::Source::too_few:
      if (!has_list) return fmt::format("the socket peer, as there is no {}", kForwardedHeader);
      return fmt::format("the socket peer, as {} has fewer entries than trusted_proxy_depth = {}",
                         kForwardedHeader, trust.depth);
    case ClientAddress::Source::not_an_address:
      return fmt::format("the socket peer, as {} is not an address", number);
    case ClientAddress::Source::entry:
      if (trust.depth == 0) return number + ", the first that is none of trusted_proxies";
      return fmt::format("{}, as trusted_proxy_depth = {}", number, trust.depth);
    case ClientAddress::Source::leftmost:
      return number + ", the leftmost, as all are in trusted_proxies";
  }
  return "";
}

}  // namespace

std::vector<std::string> Identifier::explain(const Request& request) const {
  std::vector<std::string> lines;
  ClientIdentity client;
  const std::optional<IpAddress> address = identify(request, client);
  if (client.tier != "anonymous")
    lines.push_back(fmt::format("the caller names the tier {}", client.tier));
  if (request.client && !request.client->empty()) {
    lines.push_back(
        fmt::format("the caller names the client {}; no step is asked", client.client_id));
    return lines;
  }

  const auto by_address = [&] {
    const ClientAddress found = find_client_address(request.peer, request.headers, trust_);
    const bool has_list =
        read_header(request.headers, kForwardedHeader).state != HeaderState::absent;
    std::string line =
        fmt::format("{} is {}", text_of(address), reason_of(found, trust_, has_list));
    if (address && !address->is_v4() && ipv6_prefix_ < 128) {
      line += fmt::format("; grouped by ipv6_prefix = {}", ipv6_prefix_);
    }
    return line;
  };
  bool known = false;
  for (const Step& step : steps_) {
    const std::string name = step.kind == Step::Kind::header ? "header:" + step.header
                             : step.kind == Step::Kind::ip   ? "ip"
                                                             : "jwt";
    if (known) {
      lines.push_back(name + ": not asked, the client is known");
    } else if (step.kind == Step::Kind::jwt) {
      lines.push_back("jwt: skipped, as no tokens are configured");
    } else if (step.kind == Step::Kind::ip) {
      lines.push_back("ip: " + by_address());
      known = true;
    } else {
      switch (read_header(request.headers, step.header).state) {
        case HeaderState::absent:
          lines.push_back(name + ": absent");
          break;
        case HeaderState::empty:
          lines.push_back(name + ": empty");
          break;
        case HeaderState::contradictory:
          lines.push_back(name + ": skipped, as it has several lines that differ");
          break;
        case HeaderState::present:
          lines.push_back(fmt::format("{}: gives {}", name, client.client_id));
          known = true;
      }
    }
  }
  if (!known) lines.push_back("no step gave a client, so the address is taken: " + by_address());
  return lines;
}

}  // namespace tidegate
