// Identification in plain words. The steps themselves are asked, so that the words cannot disagree
// with what is decided.
#include <fmt/format.h>

#include "identity/bearer.hpp"
#include "identity/header.hpp"
#include "identity/identity.hpp"

namespace tidegate {
namespace {

std::string text_of(const std::optional<IpAddress>& address) {
  std::string text;
  if (!address) return "no address (a unix socket)";
  address->append_to(text);
  return text;
}

/// Why the address is the one it is: "is ...".
std::string reason_of(const ClientAddress& found, const ProxyTrust& trust, bool has_list) {
  const std::string number =
      fmt::format("entry {} of {} from the right", found.entry, kForwardedHeader);
  switch (found.source) {
    case ClientAddress::Source::peer:
      if (!has_list) return "the socket peer";
      return fmt::format(
          "the socket peer; {} is ignored, as no proxy is trusted (trusted_proxy_depth = 0, and no "
          "trusted_proxies)",
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

/// Why a token names nobody.
std::string_view meaning(TokenVerdict verdict) {
  switch (verdict) {
    case TokenVerdict::none:
    case TokenVerdict::valid:
    case TokenVerdict::cached:
      break;
    case TokenVerdict::missing:
      return "there is no Authorization with the scheme Bearer";
    case TokenVerdict::ambiguous:
      return "several lines of Authorization differ";
    case TokenVerdict::too_large:
      return "the token is above 8 KiB";
    case TokenVerdict::unread:
      return "its address has sent too many bad tokens lately";
    case TokenVerdict::malformed:
      return "what stands behind Bearer is no compact JWS of strict base64url and JSON";
    case TokenVerdict::wrong_algorithm:
      return "the token is signed with an algorithm that is not configured";
    case TokenVerdict::critical:
      return "the token's header asks for an extension that is not known";
    case TokenVerdict::unknown_key:
      return "no key of the token's name and kind is known";
    case TokenVerdict::bad_signature:
      return "no key of ours has signed the token";
    case TokenVerdict::expired:
      return "the token has expired";
    case TokenVerdict::not_yet_valid:
      return "the token is not valid yet";
    case TokenVerdict::wrong_issuer:
      return "the token is of another issuer than configured";
    case TokenVerdict::wrong_audience:
      return "the token is for another audience than configured";
    case TokenVerdict::no_user:
      return "the token names no user";
  }
  return "";
}

}  // namespace

std::string Identifier::explain_address(const Request& request) const {
  const ClientAddress found = find_client_address(request.peer, request.headers, trust_);
  const bool has_list = read_header(request.headers, kForwardedHeader).state != HeaderState::absent;
  std::string line =
      fmt::format("{} is {}", text_of(found.address), reason_of(found, trust_, has_list));
  if (found.address && !found.address->is_v4() && ipv6_prefix_ < 128) {
    line += fmt::format("; all addresses of its /{} are one client (ipv6_prefix)", ipv6_prefix_);
  }
  return line;
}

/// What a step says, and whether it gives the client.
std::pair<std::string, bool> Identifier::explain_step(const Step& step, const Request& request,
                                                      Micros wall_us) const {
  switch (step.kind) {
    case Step::Kind::jwt:
      return explain_token(request, wall_us);
    case Step::Kind::ip:
      return {explain_address(request), true};
    case Step::Kind::header:
      break;
  }
  const HeaderValue value = read_header(request.headers, step.header);
  switch (value.state) {
    case HeaderState::absent:
      return {"skipped, as there is no such header", false};
    case HeaderState::empty:
      return {"skipped, as the header is empty", false};
    case HeaderState::contradictory:
      return {"skipped, as the header has several lines that differ", false};
    case HeaderState::present:
      break;
  }
  ClientIdentity client;
  identify_by_header(step, request, client);
  return {fmt::format("gives {}, a hash of the header's value", client.client_id), true};
}

std::pair<std::string, bool> Identifier::explain_token(const Request& request,
                                                       Micros wall_us) const {
  if (!tokens_) return {"skipped, as no tokens are configured", false};
  const Bearer bearer = read_bearer(request.headers);
  ClientIdentity client;
  const TokenVerdict verdict =
      bearer.token.empty() ? bearer.verdict : tokens_->examine(bearer.token, wall_us, client);
  if (!names_a_client(verdict)) {
    return {fmt::format("skipped, as {} ({})", meaning(verdict), to_string(verdict)), false};
  }
  return {fmt::format("gives {}, as the token is valid; {}", client.client_id,
                      client.tier.empty() ? "it names no tier"
                                          : fmt::format("it names the tier {}", client.tier)),
          true};
}

std::vector<std::string> Identifier::explain(const Request& request, Micros wall_us) const {
  if (request.client && !request.client->empty()) {
    ClientIdentity client;
    identify_by_caller(*request.client, client);
    return {fmt::format("the caller names the client {}; no step is asked", client.client_id)};
  }
  std::vector<std::string> lines;
  bool known = false;
  for (const Step& step : steps_) {
    const std::string name = step.kind == Step::Kind::header ? "header:" + step.header
                             : step.kind == Step::Kind::ip   ? "ip"
                                                             : "jwt";
    if (known) {
      lines.push_back(name + ": not asked, as the client is known");
      continue;
    }
    const auto [words, gives] = explain_step(step, request, wall_us);
    lines.push_back(fmt::format("{}: {}", name, words));
    known = gives;
  }
  if (!known) {
    lines.push_back("no step gives a client, so the address is taken: " + explain_address(request));
  }
  return lines;
}

}  // namespace tidegate
