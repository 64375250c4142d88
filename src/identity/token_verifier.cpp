#include "identity/token_verifier.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/cidr.hpp"

namespace tidegate {
namespace {

HashKey derive(const HashKey& key, std::string_view purpose) {
  const Hash128 hash = siphash128(key, purpose);
  return {hash.low, hash.high};
}

}  // namespace

TokenVerifier::TokenVerifier(const ClientIdentificationConfig& config, TokenKeys keys,
                             const HashKey& key)
    : rules_(*config.jwt),
      keys_(std::move(keys)),
      ipv6_prefix_(config.ipv6_prefix),
      address_key_(derive(key, "key of addresses")),
      cache_(derive(key, "key of tokens")),
      budget_(config.jwt->max_failures_per_second) {}

std::expected<std::shared_ptr<TokenVerifier>, Error> TokenVerifier::create(
    const LoadedConfig& loaded, const HashKey& key) {
  const ClientIdentificationConfig& config = loaded.config.client_identification;
  if (!config.jwt) return nullptr;
  const std::string* text = nullptr;
  static const std::string kNothing;
  if (!config.jwt->verify_signature) {
    text = &kNothing;
  } else {
    const std::string& file = key_file_of(*config.jwt);
    const auto& source = file.empty() ? loaded.secrets : loaded.key_files;
    const auto found = source.find(file.empty() ? config.jwt->secret_env : file);
    if (found == source.end()) {
      return std::unexpected(
          Error{"client_identification.jwt: the keys of tokens were not loaded: load_config does "
                "that, and a program may put them into LoadedConfig::secrets or key_files"});
    }
    text = &found->second;
  }
  auto keys = TokenKeys::from_source(*config.jwt, *text);
  if (!keys) return std::unexpected(Error{"client_identification.jwt: " + keys.error().message});
  return std::make_shared<TokenVerifier>(config, std::move(*keys), key);
}

TokenVerdict TokenVerifier::verify(std::string_view token, const std::optional<IpAddress>& address,
                                   const Times& times, ClientIdentity& out) {
  if (token.size() > kMaxTokenBytes) return TokenVerdict::too_large;
  if (const auto known = cache_.find(token, times.wall_us, out)) {
    if (*known != TokenVerdict::valid) return *known;
    out.client_type = ClientType::user;
    return TokenVerdict::cached;
  }
  const std::uint64_t sender = hash_of(address);
  if (budget_.spent(sender, times.now_us)) return TokenVerdict::unread;
  ReadToken read = read_token(token, rules_, keys_);
  TokenVerdict verdict = read.verdict;
  if (verdict == TokenVerdict::valid) {
    verdict = read.claims.verdict_at(times.wall_us);
    if (verdict == TokenVerdict::valid) {
      out.client_type = ClientType::user;
      out.client_id = read.claims.client;
      out.tier = read.claims.tier;
    }
    cache_.insert(token, std::move(read.claims), times.wall_us);
  }
  if (verdict != TokenVerdict::valid) {
    budget_.spend(sender, times.now_us,
                  static_cast<std::uint32_t>(std::max<std::size_t>(read.tried, 1)));
  }
  return verdict;
}

TokenVerdict TokenVerifier::examine(std::string_view token, Micros wall_us,
                                    ClientIdentity& out) const {
  if (token.size() > kMaxTokenBytes) return TokenVerdict::too_large;
  ReadToken read = read_token(token, rules_, keys_);
  if (read.verdict != TokenVerdict::valid) return read.verdict;
  const TokenVerdict verdict = read.claims.verdict_at(wall_us);
  if (verdict != TokenVerdict::valid) return verdict;
  out.client_type = ClientType::user;
  out.client_id = std::move(read.claims.client);
  out.tier = std::move(read.claims.tier);
  return verdict;
}

std::uint64_t TokenVerifier::hash_of(const std::optional<IpAddress>& address) const {
  if (!address) return siphash128(address_key_, "local").low;
  const IpAddress group = address->is_v4() ? *address : mask(*address, ipv6_prefix_);
  const auto bytes = group.bytes();
  return siphash128(address_key_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}).low;
}

}  // namespace tidegate
