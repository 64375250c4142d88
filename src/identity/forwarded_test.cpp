#include "identity/forwarded.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "identity/test_headers.hpp"

namespace tidegate {
namespace {

#ifdef TIDEGATE_SANITIZED
constexpr int kRounds = 10'000;
#else
constexpr int kRounds = 100'000;
#endif

constexpr const char* kPeer = "198.51.100.9";

std::string text_of(const std::optional<IpAddress>& address) {
  std::string text;
  if (!address) return "local";
  address->append_to(text);
  return text;
}

ProxyTrust depth(std::uint32_t n) { return {.depth = n, .proxies = {}}; }

ProxyTrust proxies(const std::vector<std::string>& ranges) {
  ProxyTrust trust;
  for (const std::string& range : ranges) trust.proxies.push_back(Cidr::parse(range).value());
  return trust;
}

TestHeaders forwarded(const std::vector<std::string>& lines) {
  TestHeaders headers;
  for (const std::string& line : lines) headers.add("X-Forwarded-For", line);
  return headers;
}

/// The client for a peer at kPeer.
std::string client(const ProxyTrust& trust, const std::vector<std::string>& lines,
                   const char* peer = kPeer) {
  const TestHeaders headers = forwarded(lines);
  return text_of(get_client_ip(IpAddress::parse(peer), &headers, trust));
}

TEST(ClientAddress, IsThePeerUnlessProxiesAreTrusted) {
  EXPECT_EQ(client(depth(0), {}), kPeer);
  EXPECT_EQ(client(depth(0), {"203.0.113.7"}), kPeer);
  EXPECT_EQ(text_of(get_client_ip(IpAddress::parse(kPeer), nullptr, depth(0))), kPeer);
  EXPECT_EQ(text_of(get_client_ip(IpAddress::parse(kPeer), nullptr, depth(1))), kPeer);
}

TEST(ClientAddress, CountsTrustedHopsFromTheRight) {
  const std::vector<std::string> list{"6.6.6.6, 203.0.113.7,203.0.113.8"};
  EXPECT_EQ(client(depth(1), list), "203.0.113.8");
  EXPECT_EQ(client(depth(2), list), "203.0.113.7");
  EXPECT_EQ(client(depth(3), list), "6.6.6.6");
  EXPECT_EQ(client(depth(4), list), kPeer);  // too few entries
  EXPECT_EQ(client(depth(1), {}), kPeer);
}

TEST(ClientAddress, FallsBackToThePeerWhereAnEntryIsNoAddress) {
  for (const char* bad : {"",
                          " ",
                          "unknown",
                          "_hidden",
                          "1.2.3",
                          "1.2.3.4:",
                          "1.2.3.4:x",
                          "1.2.3.4:65536",
                          "1.2.3.4:-1",
                          "01.2.3.4",
                          "[1.2.3.4]",
                          "[::1",
                          "::1]",
                          "[::1]5",
                          "[::1]:",
                          "[]",
                          "\"1.2.3.4\"",
                          "1.2.3.4 5.6.7.8",
                          "for=1.2.3.4",
                          "1.2.3.4;5.6.7.8",
                          "http://1.2.3.4"}) {
    const std::string entry = bad;
    EXPECT_EQ(client(depth(1), {"203.0.113.7, " + entry}), kPeer) << entry;
    EXPECT_EQ(client(depth(2), {"203.0.113.7, " + entry}), kPeer) << entry;
    EXPECT_EQ(client(depth(2), {"203.0.113.7," + entry + ",203.0.113.8"}), kPeer) << entry;
    EXPECT_EQ(client(proxies({kPeer, "10.0.0.0/8"}), {"203.0.113.7," + entry + ",10.0.0.1"}),
              kPeer);
    // Further left it does not matter.
    EXPECT_EQ(client(depth(1), {entry + ",203.0.113.8"}), "203.0.113.8") << entry;
  }
  EXPECT_EQ(client(depth(1), {"203.0.113.7,"}), kPeer);
  EXPECT_EQ(client(depth(1), {"203.0.113.7", ""}), kPeer);
}

TEST(ClientAddress, ReadsPortsBracketsZonesAndBlanks) {
  const struct {
    const char* entry;
    const char* address;
  } cases[] = {
      {"203.0.113.7", "203.0.113.7"},
      {" \t203.0.113.7\t ", "203.0.113.7"},
      {"203.0.113.7:5", "203.0.113.7"},
      {"203.0.113.7:65535", "203.0.113.7"},
      {"::1", "::1"},
      {"[::1]", "::1"},
      {"[::1]:5", "::1"},
      {"[2001:db8:1:2:3:4:5:6]:99", "2001:db8:1:2:3:4:5:6"},
      {"fe80::1%eth0", "fe80::1"},
      {"[fe80::1%eth0]:5", "fe80::1"},
      {"::ffff:203.0.113.7", "203.0.113.7"},
      {"[::ffff:203.0.113.7]:80", "203.0.113.7"},
  };
  for (const auto& c : cases) EXPECT_EQ(client(depth(1), {c.entry}), c.address) << c.entry;
}

TEST(ClientAddress, TakesSeveralLinesForOneList) {
  const std::vector<std::string> lines{"6.6.6.6", "203.0.113.1, 203.0.113.2", "203.0.113.3"};
  EXPECT_EQ(client(depth(1), lines), "203.0.113.3");
  EXPECT_EQ(client(depth(2), lines), "203.0.113.2");
  EXPECT_EQ(client(depth(3), lines), "203.0.113.1");
  EXPECT_EQ(client(depth(4), lines), "6.6.6.6");
  EXPECT_EQ(client(depth(5), lines), kPeer);
}

TEST(ClientAddress, PeelsTrustedProxiesFromTheRight) {
  const ProxyTrust trust = proxies({"198.51.100.0/24", "10.0.0.0/8", "2001:db8::/32"});
  EXPECT_EQ(client(trust, {"6.6.6.6, 203.0.113.7, 10.1.2.3, 198.51.100.1"}), "203.0.113.7");
  EXPECT_EQ(client(trust, {"6.6.6.6, 203.0.113.7"}), "203.0.113.7");
  EXPECT_EQ(client(trust, {"203.0.113.7, [2001:db8::5]:80"}), "203.0.113.7");
  EXPECT_EQ(client(trust, {"10.0.0.1, 10.0.0.2"}), "10.0.0.1");  // all trusted: the leftmost
  EXPECT_EQ(client(trust, {"10.0.0.1", "10.0.0.2"}), "10.0.0.1");
  EXPECT_EQ(client(trust, {}), kPeer);
  // An address typed behind an untrusted one changes nothing, not even a trusted one.
  EXPECT_EQ(client(trust, {"10.9.9.9, 203.0.113.7, 10.0.0.1"}), "203.0.113.7");
}

TEST(ClientAddress, BelievesNoListOfAnUntrustedPeer) {
  const ProxyTrust trust = proxies({"10.0.0.0/8"});
  EXPECT_EQ(client(trust, {"203.0.113.7"}), kPeer);
  EXPECT_EQ(client(trust, {"203.0.113.7, 10.0.0.1"}), kPeer);
  EXPECT_EQ(client(trust, {"203.0.113.7"}, "10.0.0.1"), "203.0.113.7");
  EXPECT_EQ(client(trust, {"203.0.113.7"}, "::ffff:10.0.0.1"), "203.0.113.7");
}

TEST(ClientAddress, TakesAPeerWithoutAddressForATrustedHop) {
  const TestHeaders headers = forwarded({"6.6.6.6, 203.0.113.7"});
  EXPECT_EQ(text_of(get_client_ip({}, &headers, depth(0))), "local");
  EXPECT_EQ(text_of(get_client_ip({}, &headers, depth(1))), "203.0.113.7");
  EXPECT_EQ(text_of(get_client_ip({}, &headers, depth(2))), "6.6.6.6");
  EXPECT_EQ(text_of(get_client_ip({}, &headers, depth(3))), "local");
  EXPECT_EQ(text_of(get_client_ip({}, &headers, proxies({"10.0.0.0/8"}))), "203.0.113.7");
  EXPECT_EQ(text_of(get_client_ip({}, nullptr, proxies({"10.0.0.0/8"}))), "local");
}

TEST(ClientAddress, ReadsAtMostTheLastEntries) {
  std::string list = "203.0.113.7";
  for (std::size_t i = 1; i < kMaxForwardedEntries; ++i) list += ",10.0.0." + std::to_string(i);
  EXPECT_EQ(client(depth(kMaxForwardedEntries), {list}), "203.0.113.7");
  EXPECT_EQ(client(depth(kMaxForwardedEntries), {"6.6.6.6," + list}), "203.0.113.7");
  EXPECT_EQ(client(depth(kMaxForwardedEntries + 1), {"6.6.6.6," + list}), kPeer);
  EXPECT_EQ(client(proxies({kPeer, "10.0.0.0/8"}), {list + ",10.0.0.99"}), "10.0.0.1");

  std::vector<std::string> lines(1'000, "6.6.6.6");
  lines.push_back(list);
  EXPECT_EQ(client(depth(kMaxForwardedEntries), lines), "203.0.113.7");
  lines.push_back("10.0.0.99");
  EXPECT_EQ(client(depth(kMaxForwardedEntries), lines), "10.0.0.1");
}

TEST(ClientAddress, IsCheapToFindInAHugeHeader) {
  const std::string commas(64 * 1024, ',');
  const std::string one_entry(64 * 1024, '1');
  std::string entries;
  while (entries.size() < 64 * 1024) entries += "6.6.6.6, ";
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(client(depth(1), {commas}), kPeer);
    EXPECT_EQ(client(depth(1), {one_entry}), kPeer);
    EXPECT_EQ(client(depth(2), {entries + "203.0.113.1, 203.0.113.2"}), "203.0.113.1");
  }
}

TEST(ClientAddress, SaysWhereItComesFrom) {
  const auto source = [](const ProxyTrust& trust, const std::vector<std::string>& lines) {
    const TestHeaders headers = forwarded(lines);
    const ClientAddress found = find_client_address(IpAddress::parse(kPeer), &headers, trust);
    return std::pair(found.source, found.entry);
  };
  using Source = ClientAddress::Source;
  EXPECT_EQ(source(depth(0), {"1.1.1.1"}), std::pair(Source::peer, std::size_t{0}));
  EXPECT_EQ(source(depth(2), {"1.1.1.1"}), std::pair(Source::too_few, std::size_t{0}));
  EXPECT_EQ(source(depth(2), {"1.1.1.1,x,1.1.1.2"}),
            std::pair(Source::not_an_address, std::size_t{2}));
  EXPECT_EQ(source(depth(2), {"1.1.1.1,1.1.1.2"}), std::pair(Source::entry, std::size_t{2}));
  EXPECT_EQ(source(proxies({"1.1.1.0/24"}), {"1.1.1.1"}),
            std::pair(Source::untrusted_peer, std::size_t{0}));
  EXPECT_EQ(source(proxies({kPeer, "1.1.1.0/24"}), {"1.1.1.1,1.1.1.2"}),
            std::pair(Source::leftmost, std::size_t{2}));
}

// Whatever an attacker types, he types it to the left of what trusted hops write.

class Attacker {
 public:
  std::vector<std::string> lines() {
    std::vector<std::string> lines;
    for (auto count = random_() % 4; count != 0; --count) lines.push_back(list());
    return lines;
  }
  std::string list() {
    std::string text;
    for (auto count = random_() % 6; count != 0; --count) {
      text += kPieces[random_() % std::size(kPieces)];
    }
    return text;
  }
  std::uint32_t number(std::uint32_t below) {
    return static_cast<std::uint32_t>(random_() % below);
  }

 private:
  static constexpr const char* kPieces[] = {
      ",",  ", ",        ",,", "6.6.6.6", "10.0.0.1", "198.51.100.9", "::1",     "[::1]:5",
      "x",  "%a",        "[",  "]",       ":80",      "\xff",         "unknown", " ",
      "\t", "1.2.3.4:5", "1",  "::",      "\n",       "65535"};
  std::mt19937 random_{1};
};

TEST(ClientAddress, IsTheSameWhateverIsTypedIfNobodyIsTrusted) {
  Attacker attacker;
  for (int i = 0; i < kRounds; ++i) {
    const auto lines = attacker.lines();
    ASSERT_EQ(client(depth(0), lines), kPeer);
    ASSERT_EQ(client(proxies({"10.0.0.0/8"}), lines), kPeer);
  }
}

TEST(ClientAddress, DoesNotDependOnWhatStandsLeftOfTheTrustedEntries) {
  Attacker attacker;
  for (int i = 0; i < kRounds; ++i) {
    // The attacker's lines, then what each trusted hop adds, in the same line or in one of its own.
    const std::uint32_t hops = 1 + attacker.number(4);
    auto lines = attacker.lines();
    for (std::uint32_t hop = 0; hop < hops; ++hop) {
      const std::string added = hop == 0 ? "203.0.113.7" : "10.0.0." + std::to_string(hop);
      if (lines.empty() || attacker.number(2) == 0) {
        lines.push_back(added);
      } else {
        lines.back() += ", " + added;
      }
    }
    ASSERT_EQ(client(depth(hops), lines), "203.0.113.7");
    ASSERT_EQ(client(proxies({kPeer, "10.0.0.0/8"}), lines), "203.0.113.7");
  }
}

}  // namespace
}  // namespace tidegate
