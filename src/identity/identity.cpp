#include "identity/identity.hpp"

#include "core/cidr.hpp"
#include "identity/bearer.hpp"
#include "identity/header.hpp"

namespace tidegate {
namespace {

constexpr std::string_view kHeaderStep = "header:";

/// IPv6 addresses of one prefix are one client: whoever has one has all of them.
void append_grouped(const IpAddress& address, unsigned ipv6_prefix, std::string& out) {
  if (address.is_v4() || ipv6_prefix >= 128) {
    address.append_to(out);
    return;
  }
  mask(address, ipv6_prefix).append_to(out);
  out += '/';
  out += std::to_string(ipv6_prefix);
}

ClientType type_of(std::string_view client) {
  if (client.starts_with("ip:")) return ClientType::ip;
  return client.starts_with("key:") ? ClientType::key : ClientType::user;
}

}  // namespace

std::optional<std::string> normalize_ip(std::string_view text, unsigned ipv6_prefix) {
  const auto address = IpAddress::parse(text);
  if (!address) return std::nullopt;
  std::string out;
  append_grouped(*address, ipv6_prefix, out);
  return out;
}

Identifier::Identifier(const ClientIdentificationConfig& config, const HashKey& hash_key,
                       std::shared_ptr<TokenVerifier> tokens)
    : ipv6_prefix_(config.ipv6_prefix), tokens_(std::move(tokens)) {
  for (const std::string& step : config.identify) {
    if (step == "ip") {
      steps_.push_back({Step::Kind::ip, ""});
    } else if (step.starts_with(kHeaderStep)) {
      steps_.push_back({Step::Kind::header, step.substr(kHeaderStep.size())});
    } else {
      steps_.push_back({Step::Kind::jwt, ""});
    }
  }
  trust_.depth = config.trusted_proxy_depth;
  for (const std::string& proxy : config.trusted_proxies) {
    if (const auto range = Cidr::parse(proxy)) trust_.proxies.push_back(*range);
  }
  // A key of its own: what is shown of these hashes must tell nothing about the table's.
  const Hash128 derived = siphash128(hash_key, "key of client keys");
  key_ = {derived.low, derived.high};
}

Identified Identifier::identify(const Request& request, const Times& times,
                                ClientIdentity& out) const {
  Identified found{.address = get_client_ip(request.peer, request.headers, trust_)};
  out.tier.clear();
  const auto identify_by_steps = [&] {
    for (const Step& step : steps_) {
      if (step.kind == Step::Kind::ip) break;
      if (step.kind == Step::Kind::header) {
        if (identify_by_header(step, request, out)) return;
      } else if (tokens_) {
        found.token = identify_by_token(request, found.address, times, out);
        if (names_a_client(found.token)) return;
      }
    }
    identify_by_address(found.address, out);
  };
  if (request.client && !request.client->empty()) {
    identify_by_caller(*request.client, out);
  } else {
    identify_by_steps();
  }
  if (request.tier && !request.tier->empty()) out.tier = *request.tier;
  if (out.tier.empty()) out.tier = "anonymous";
  return found;
}

TokenVerdict Identifier::identify_by_token(const Request& request,
                                           const std::optional<IpAddress>& address,
                                           const Times& times, ClientIdentity& out) const {
  const Bearer bearer = read_bearer(request.headers);
  if (bearer.token.empty()) return bearer.verdict;
  return tokens_->verify(bearer.token, address, times, out);
}

bool Identifier::identify_by_header(const Step& step, const Request& request,
                                    ClientIdentity& out) const {
  const HeaderValue value = read_header(request.headers, step.header);
  if (value.state != HeaderState::present) return false;
  out.client_type = ClientType::key;
  out.client_id.clear();
  append_key(value.text, out.client_id);
  return true;
}

void Identifier::identify_by_address(const std::optional<IpAddress>& address,
                                     ClientIdentity& out) const {
  out.client_type = ClientType::ip;
  out.client_id.clear();
  append_address(address, out.client_id);
}

void Identifier::append_address(const std::optional<IpAddress>& address, std::string& out) const {
  out += "ip:";
  if (address) {
    append_grouped(*address, ipv6_prefix_, out);
  } else {
    out += "local";
  }
}

void Identifier::identify_by_caller(std::string_view client, ClientIdentity& out) const {
  out.client_type = type_of(client);
  out.client_id.clear();
  if (client.size() <= kMaxClientText) {
    out.client_id = client;
  } else {
    out.client_type = ClientType::key;
    append_key(client, out.client_id);
  }
}

void Identifier::append_key(std::string_view value, std::string& out) const {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out += "key:";
  const std::uint64_t hash = siphash128(key_, value).low;
  for (int shift = 44; shift >= 0; shift -= 4) out += kDigits[hash >> shift & 0xf];
}

}  // namespace tidegate
