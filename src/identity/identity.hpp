// Request -> client: the configured steps, tried in order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "identity/forwarded.hpp"
#include "identity/token_verifier.hpp"
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// A client's text is at most this long ("user:" and an id of 256 bytes); of a longer one that a
/// caller hands in, a hash is used.
inline constexpr std::size_t kMaxClientText = 261;

/// What an identification finds besides the client.
struct Identified {
  std::optional<IpAddress> address;  ///< whatever the client is; nothing: none is known
  TokenVerdict token = TokenVerdict::none;
};

/// Turns requests into clients by the configured steps. Immutable but for what the verifier of
/// tokens remembers; thread-safe.
///
/// The first step that yields a client decides; if none does, the address is used, so that nobody
/// is without a limit. A header step yields nothing if the header is absent or empty, or has
/// several lines that differ: which of them counts is a guess, and whoever guessed like the
/// application could add lines of his own invention to a valid key and be a new client each time.
class Identifier {
 public:
  /// `hash_key` keys the hash that stands for the value of a header ("key:<12 hex digits>"). The
  /// configuration must be valid. Without a verifier no token is looked at.
  Identifier(const ClientIdentificationConfig& config, const HashKey& hash_key,
             std::shared_ptr<TokenVerifier> tokens = nullptr);

  /// Fills in client_id, client_type and tier, reusing `out`'s memory. The address is told too, for
  /// exemptions, which are compared in full before prefix grouping.
  ///
  /// A client or tier that the caller hands in is taken as it is, an empty one is as good as none;
  /// else the tier is that of the token that named the client. Whether a tier is configured is for
  /// the policy to say; without one it is "anonymous".
  Identified identify(const Request& request, const Times& times, ClientIdentity& out) const;

  /// Appends the text of a client who is known by his address: "ip:203.0.113.7"; "ip:local" without
  /// one.
  void append_address(const std::optional<IpAddress>& address, std::string& out) const;

  /// One line per step for `tidegate explain`: what was looked at, what it gave, what was skipped
  /// and why. Says nothing about the tier, and repeats no value of a header.
  [[nodiscard]] std::vector<std::string> explain(const Request& request, Micros wall_us) const;

 private:
  struct Step {
    enum class Kind : std::uint8_t { jwt, ip, header } kind;
    std::string header;
  };
  TokenVerdict identify_by_token(const Request& request, const std::optional<IpAddress>& address,
                                 const Times& times, ClientIdentity& out) const;
  bool identify_by_header(const Step& step, const Request& request, ClientIdentity& out) const;
  void identify_by_address(const std::optional<IpAddress>& address, ClientIdentity& out) const;
  void identify_by_caller(std::string_view client, ClientIdentity& out) const;
  void append_key(std::string_view value, std::string& out) const;
  [[nodiscard]] std::string explain_address(const Request& request) const;
  [[nodiscard]] std::pair<std::string, bool> explain_step(const Step& step, const Request& request,
                                                          Micros wall_us) const;
  [[nodiscard]] std::pair<std::string, bool> explain_token(const Request& request,
                                                           Micros wall_us) const;

  std::vector<Step> steps_;
  ProxyTrust trust_;
  unsigned ipv6_prefix_;
  std::shared_ptr<TokenVerifier> tokens_;
  HashKey key_;  // of header values and long texts alone
};

}  // namespace tidegate
