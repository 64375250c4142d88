#include "identity/identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "identity/test_headers.hpp"
#include "identity/test_tokens.hpp"

namespace tidegate {
namespace {

constexpr HashKey kKey{1, 2};

ClientIdentificationConfig by(std::vector<std::string> steps) {
  ClientIdentificationConfig config;
  config.identify = std::move(steps);
  return config;
}

Request request_from(const char* peer, const HeaderLines* headers = nullptr) {
  Request request;
  request.peer = IpAddress::parse(peer);
  request.headers = headers;
  return request;
}

ClientIdentity identify(const ClientIdentificationConfig& config, const Request& request) {
  ClientIdentity client;
  Identifier(config, kKey).identify(request, {}, client);
  return client;
}

std::string client_id(const ClientIdentificationConfig& config, const Request& request) {
  return identify(config, request).client_id;
}

/// The client for these lines of X-API-Key.
std::string key_client(const std::vector<std::string>& lines) {
  TestHeaders headers;
  for (const std::string& line : lines) headers.add("X-API-Key", line);
  return client_id(by({"header:X-API-Key", "ip"}), request_from("203.0.113.7", &headers));
}

TEST(NormalizeIp, WritesCanonicalGroupedText) {
  EXPECT_EQ(normalize_ip("203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(normalize_ip("::ffff:203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(normalize_ip("2001:DB8:1:2:3::4"), "2001:db8:1:2::/64");
  EXPECT_EQ(normalize_ip("2001:DB8:1:2:3::4", 64), "2001:db8:1:2::/64");
  EXPECT_EQ(normalize_ip("2001:db8:1:2ff::1", 56), "2001:db8:1:200::/56");
  EXPECT_EQ(normalize_ip("2001:db8:1:2:3::4", 128), "2001:db8:1:2:3::4");
  EXPECT_EQ(normalize_ip("2001:db8:1:2:3::4", 127), "2001:db8:1:2:3::4/127");
  EXPECT_EQ(normalize_ip("::1", 1), "::/1");
  EXPECT_EQ(normalize_ip("fe80::1%eth0"), "fe80::/64");
  EXPECT_EQ(normalize_ip("203.0.113.7", 8), "203.0.113.7");  // only IPv6 is grouped
  EXPECT_EQ(normalize_ip("203.0.113.07"), std::nullopt);
  EXPECT_EQ(normalize_ip(""), std::nullopt);
}

TEST(Identifier, NamesAddresses) {
  const auto config = by({"jwt", "ip"});
  EXPECT_EQ(client_id(config, request_from("203.0.113.7")), "ip:203.0.113.7");
  EXPECT_EQ(client_id(config, request_from("::ffff:203.0.113.7")), "ip:203.0.113.7");
  EXPECT_EQ(client_id(config, request_from("2001:db8:1:2:3:4:5:6")), "ip:2001:db8:1:2::/64");
  EXPECT_EQ(client_id(config, request_from("no address")), "ip:local");
  EXPECT_EQ(identify(config, request_from("203.0.113.7")).client_type, ClientType::ip);
  EXPECT_EQ(identify(config, request_from("203.0.113.7")).tier, "anonymous");
}

TEST(Identifier, TakesNeighboursInAPrefixForOneClient) {
  auto config = by({"ip"});
  EXPECT_EQ(client_id(config, request_from("2001:db8:1:2::1")),
            client_id(config, request_from("2001:db8:1:2:ffff::")));
  config.ipv6_prefix = 128;
  EXPECT_EQ(client_id(config, request_from("2001:db8:1:2::1")), "ip:2001:db8:1:2::1");
}

TEST(Identifier, FollowsTheTrustedHops) {
  auto config = by({"ip"});
  TestHeaders headers{{"X-Forwarded-For", "6.6.6.6, 203.0.113.7"}};
  EXPECT_EQ(client_id(config, request_from("198.51.100.9", &headers)), "ip:198.51.100.9");
  config.trusted_proxy_depth = 1;
  EXPECT_EQ(client_id(config, request_from("198.51.100.9", &headers)), "ip:203.0.113.7");
  config.trusted_proxy_depth = 0;
  config.trusted_proxies = {"198.51.100.0/24"};
  EXPECT_EQ(client_id(config, request_from("198.51.100.9", &headers)), "ip:203.0.113.7");
}

TEST(Identifier, HashesHeaderKeys) {
  const std::string client = key_client({"secret-1"});
  EXPECT_EQ(client.size(), std::string("key:").size() + 12);
  EXPECT_EQ(client.substr(0, 4), "key:");
  EXPECT_EQ(client.find_first_not_of("0123456789abcdef", 4), std::string::npos);
  EXPECT_EQ(client.find("secret"), std::string::npos);

  EXPECT_EQ(key_client({"secret-1"}), client);
  EXPECT_EQ(key_client({" secret-1\t"}), client);
  EXPECT_NE(key_client({"secret-2"}), client);
  std::set<std::string> clients;
  for (int i = 0; i < 1'000; ++i) clients.insert(key_client({std::to_string(i)}));
  EXPECT_EQ(clients.size(), 1'000U);

  TestHeaders headers{{"X-API-Key", "secret-1"}};
  const Request request = request_from("203.0.113.7", &headers);
  ClientIdentity other;
  Identifier(by({"header:X-API-Key"}), HashKey{3, 4}).identify(request, {}, other);
  EXPECT_NE(other.client_id, client);  // the hash is keyed
  EXPECT_EQ(other.client_type, ClientType::key);
}

TEST(Identifier, GoesOnToTheNextStepWithoutAKey) {
  EXPECT_EQ(key_client({}), "ip:203.0.113.7");
  EXPECT_EQ(key_client({""}), "ip:203.0.113.7");
  EXPECT_EQ(key_client({" \t"}), "ip:203.0.113.7");
  TestHeaders headers{{"B", "2"}};
  const Request request = request_from("203.0.113.7", &headers);
  EXPECT_EQ(client_id(by({"header:A", "header:B"}), request), client_id(by({"header:B"}), request));
  EXPECT_EQ(client_id(by({"header:A", "jwt"}), request), "ip:203.0.113.7");
  EXPECT_EQ(client_id(by({"ip", "header:B"}), request), "ip:203.0.113.7");
}

TEST(Identifier, LetsNoSecondLineInventClients) {
  EXPECT_EQ(key_client({"valid", "valid"}), key_client({"valid"}));
  EXPECT_EQ(key_client({"valid", "invented"}), "ip:203.0.113.7");
  EXPECT_EQ(key_client({"invented", "valid"}), "ip:203.0.113.7");
  EXPECT_EQ(key_client({"", "valid"}), "ip:203.0.113.7");
  EXPECT_EQ(key_client({"valid", "valid", "invented"}), "ip:203.0.113.7");
}

TEST(Identifier, TakesWhatTheCallerHandsIn) {
  TestHeaders headers{{"X-API-Key", "1"}};
  Request request = request_from("203.0.113.7", &headers);
  const auto config = by({"header:X-API-Key", "ip"});
  request.client = "user:42";
  request.tier = "premium";
  EXPECT_EQ(identify(config, request).client_id, "user:42");
  EXPECT_EQ(identify(config, request).client_type, ClientType::user);
  EXPECT_EQ(identify(config, request).tier, "premium");
  request.client = "ip:10.0.0.1";
  EXPECT_EQ(identify(config, request).client_type, ClientType::ip);
  request.client = "key:00";
  EXPECT_EQ(identify(config, request).client_type, ClientType::key);
  request.client = "a customer";
  EXPECT_EQ(identify(config, request).client_id, "a customer");
  EXPECT_EQ(identify(config, request).client_type, ClientType::user);

  request.client = "";
  request.tier = "";
  EXPECT_EQ(identify(config, request).client_type, ClientType::key);
  EXPECT_EQ(identify(config, request).tier, "anonymous");
}

TEST(Identifier, BoundsTheTextOfAClient) {
  Request request = request_from("203.0.113.7");
  const std::string longest(kMaxClientText, 'x');
  const std::string longer = longest + 'x';
  const std::string another = longest + 'y';
  request.client = longest;
  EXPECT_EQ(client_id(by({"ip"}), request), longest);
  request.client = longer;
  const std::string first = client_id(by({"ip"}), request);
  EXPECT_TRUE(first.starts_with("key:")) << first;
  request.client = another;
  EXPECT_NE(client_id(by({"ip"}), request), first);
}

TEST(Identifier, ReportsTheFullAddressWhoeverTheClientIs) {
  TestHeaders headers{{"X-API-Key", "1"}};
  ClientIdentity client;
  const Identifier identifier(by({"header:X-API-Key", "ip"}), kKey);
  Request request = request_from("2001:db8:1:2::3", &headers);
  EXPECT_EQ(identifier.identify(request, {}, client).address, IpAddress::parse("2001:db8:1:2::3"));
  request.client = "user:42";
  EXPECT_EQ(identifier.identify(request, {}, client).address, IpAddress::parse("2001:db8:1:2::3"));
  request.peer.reset();
  EXPECT_EQ(identifier.identify(request, {}, client).address, std::nullopt);
}

TEST(Identifier, ForgetsTheClientBefore) {
  ClientIdentity client;
  const Identifier identifier(by({"ip"}), kKey);
  Request request = request_from("203.0.113.7");
  request.client = "user:42";
  request.tier = "premium";
  identifier.identify(request, {}, client);
  identifier.identify(request_from("203.0.113.7"), {}, client);
  EXPECT_EQ(client.client_id, "ip:203.0.113.7");
  EXPECT_EQ(client.client_type, ClientType::ip);
  EXPECT_EQ(client.tier, "anonymous");
}

std::string explained(const ClientIdentificationConfig& config, const Request& request) {
  std::string text;
  for (const std::string& line : Identifier(config, kKey).explain(request, 0)) text += line + '\n';
  return text;
}

TEST(Identifier, ExplainsItself) {
  TestHeaders headers{{"X-Forwarded-For", "6.6.6.6, 203.0.113.7"}, {"K", "secret"}};
  Request request = request_from("2001:db8::1", &headers);
  auto config = by({"jwt", "ip"});
  EXPECT_EQ(explained(config, request),
            "jwt: skipped, as no tokens are configured\n"
            "ip: 2001:db8::1 is the socket peer; X-Forwarded-For is ignored, as no proxy is "
            "trusted (trusted_proxy_depth = 0, and no trusted_proxies); all addresses of its /64 "
            "are one client (ipv6_prefix)\n");
  config.trusted_proxy_depth = 1;
  EXPECT_EQ(explained(config, request),
            "jwt: skipped, as no tokens are configured\n"
            "ip: 203.0.113.7 is entry 1 of X-Forwarded-For from the right, as "
            "trusted_proxy_depth = 1\n");
  config.trusted_proxy_depth = 3;
  EXPECT_NE(explained(config, request).find("fewer entries than trusted_proxy_depth = 3"),
            std::string::npos);
  config.trusted_proxy_depth = 0;
  config.trusted_proxies = {"10.0.0.0/8"};
  EXPECT_NE(explained(config, request).find("none of trusted_proxies"), std::string::npos);

  const std::string by_key = explained(by({"header:A", "header:K", "ip"}), request);
  EXPECT_EQ(by_key.find("secret"), std::string::npos);
  EXPECT_EQ(by_key, "header:A: skipped, as there is no such header\nheader:K: gives " +
                        client_id(by({"header:K"}), request) +
                        ", a hash of the header's value\nip: not asked, as the client is known\n");
  headers.add("K", "other");
  EXPECT_EQ(explained(by({"header:K"}), request_from("203.0.113.7", &headers)),
            "header:K: skipped, as the header has several lines that differ\n"
            "no step gives a client, so the address is taken: 203.0.113.7 is the socket peer; "
            "X-Forwarded-For is ignored, as no proxy is trusted (trusted_proxy_depth = 0, and no "
            "trusted_proxies)\n");
  request.client = "user:42";
  request.tier = "premium";
  EXPECT_EQ(explained(by({"ip"}), request),
            "the caller names the client user:42; no step is asked\n");
}

constexpr Micros kNow = 1'800'000'000'000'000;

/// An identifier that knows tokens, signed with the secret of tests.
struct WithTokens {
  ClientIdentificationConfig config = [] {
    ClientIdentificationConfig all = by({"jwt", "header:X-API-Key", "ip"});
    all.jwt.emplace();
    return all;
  }();
  Identifier identifier{config, kKey, std::make_shared<TokenVerifier>(config, test_keys(), kKey)};
  ClientIdentity client;

  TokenVerdict identify(const Request& request) {
    return identifier.identify(request, {.now_us = kNow, .wall_us = kNow}, client).token;
  }
  TokenVerdict identify(const std::vector<std::string>& lines) {
    TestHeaders headers;
    for (const std::string& line : lines) headers.add("Authorization", line);
    return identify(request_from("203.0.113.7", &headers));
  }
};

TEST(Identifier, NamesUsersByTheirTokens) {
  WithTokens with;
  const std::string token = signed_token(R"({"user_id":42,"tier":"premium"})");
  EXPECT_EQ(with.identify({"Bearer " + token}), TokenVerdict::valid);
  EXPECT_EQ(with.client.client_id, "user:42");
  EXPECT_EQ(with.client.client_type, ClientType::user);
  EXPECT_EQ(with.client.tier, "premium");
  for (const char* scheme : {"bearer ", "BEARER ", "Bearer  ", "  Bearer "}) {
    EXPECT_EQ(with.identify({scheme + token}), TokenVerdict::cached) << scheme;
  }
  EXPECT_EQ(with.identify({"Bearer " + token, "Bearer " + token}), TokenVerdict::cached);
  EXPECT_EQ(with.identify({"Bearer " + signed_token(R"({"sub":"x"})")}), TokenVerdict::valid);
  EXPECT_EQ(with.client.tier, "anonymous");
}

TEST(Identifier, TakesABadTokenForNone) {
  WithTokens with;
  const std::string token = signed_token(R"({"user_id":42,"tier":"premium"})");
  const std::vector<std::pair<std::vector<std::string>, TokenVerdict>> kCases{
      {{}, TokenVerdict::missing},
      {{""}, TokenVerdict::missing},
      {{"Basic dXNlcjpwYXNz"}, TokenVerdict::missing},
      {{token}, TokenVerdict::missing},
      {{"Bearer"}, TokenVerdict::malformed},
      {{"Bearer\t" + token}, TokenVerdict::missing},
      {{"Bearer " + token + ", Bearer " + token}, TokenVerdict::malformed},
      {{"Bearer " + token, "Basic dXNlcjpwYXNz"}, TokenVerdict::ambiguous},
      {{"Bearer x", "Bearer " + token}, TokenVerdict::ambiguous},
      {{"Bearer " + std::string(9'000, 'x')}, TokenVerdict::too_large},
  };
  for (const auto& [lines, verdict] : kCases) {
    EXPECT_EQ(with.identify(lines), verdict) << (lines.empty() ? "" : lines[0]);
    EXPECT_EQ(with.client.client_id, "ip:203.0.113.7");
    EXPECT_EQ(with.client.client_type, ClientType::ip);
    EXPECT_EQ(with.client.tier, "anonymous");
  }
  TestHeaders headers{{"Authorization", "Bearer x.y.z"}, {"X-API-Key", "k"}};
  EXPECT_EQ(with.identify(request_from("203.0.113.7", &headers)), TokenVerdict::malformed);
  EXPECT_EQ(with.client.client_type, ClientType::key) << "the next step is asked";
}

TEST(Identifier, AsksNoTokenWhereTheCallerKnows) {
  WithTokens with;
  TestHeaders headers{{"Authorization", "Bearer " + signed_token(R"({"sub":"x","tier":"t"})")}};
  Request request = request_from("203.0.113.7", &headers);
  request.tier = "mine";
  EXPECT_EQ(with.identify(request), TokenVerdict::valid);
  EXPECT_EQ(with.client.tier, "mine");
  request.client = "user:42";
  request.tier.reset();
  EXPECT_EQ(with.identify(request), TokenVerdict::none);
  EXPECT_EQ(with.client.tier, "anonymous");
}

TEST(Identifier, ExplainsWhatBecameOfAToken) {
  const WithTokens with;
  const auto explained = [&](const std::string& line) {
    TestHeaders headers{{"Authorization", line}};
    return with.identifier.explain(request_from("203.0.113.7", &headers), kNow).at(0);
  };
  EXPECT_EQ(explained("Bearer " + signed_token(R"({"sub":"x","tier":"t"})")),
            "jwt: gives user:x, as the token is valid; it names the tier t");
  EXPECT_EQ(explained("Bearer " + signed_token(R"({"sub":"x"})")),
            "jwt: gives user:x, as the token is valid; it names no tier");
  EXPECT_EQ(explained("Bearer " + signed_token(R"({"sub":"x","exp":1})")),
            "jwt: skipped, as the token has expired (expired)");
  EXPECT_EQ(explained("Basic x"),
            "jwt: skipped, as there is no Authorization with the scheme Bearer (missing)");
}

}  // namespace
}  // namespace tidegate
