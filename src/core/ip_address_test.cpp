#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tidegate/client.hpp"

namespace tidegate {
namespace {

#ifdef TIDEGATE_SANITIZED
constexpr int kRounds = 10'000;
#else
constexpr int kRounds = 100'000;
#endif

std::string canonical(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) return "no address";
  std::string out;
  address->append_to(out);
  return out;
}

TEST(IpAddress, WritesCanonicalText) {
  const struct {
    const char* text;
    const char* canonical;
  } cases[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"203.0.113.7", "203.0.113.7"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::0001", "2001:db8::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two equal runs
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longer run
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group alone is written out
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"1:0:0:4:5:6:0:0", "1::4:5:6:0:0"},
      {"fe80::1%eth0", "fe80::1"},
      {"fe80::1%25", "fe80::1"},
      {"::ffff:203.0.113.7", "203.0.113.7"},
      {"::FFFF:cb00:7107", "203.0.113.7"},
      {"::ffff:203.0.113.7%eth0", "203.0.113.7"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"::1.2.3.4", "::102:304"},
      {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"},
  };
  for (const auto& c : cases) EXPECT_EQ(canonical(c.text), c.canonical) << c.text;
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const char* text : {"",
                           " ",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1.2.3.256",
                           "1.2.3.04",
                           "01.2.3.4",
                           "0x1.2.3.4",
                           "1.2.3.-4",
                           "1.2.3.+4",
                           "1..2.3",
                           "1.2.3.",
                           ".1.2.3",
                           "3232235777",
                           "1.2.3.4:80",
                           "1.2.3.4%eth0",
                           "1.2.3.4/8",
                           "[::1]",
                           "[::1]:80",
                           ":",
                           ":::",
                           "1:",
                           ":1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "::1:2:3:4:5:6:7:8",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "::1%",
                           "%eth0",
                           "::1%a b",
                           "::1%a%b",
                           "::1%a]",
                           "::1.2.3",
                           "::1.2.3.4:5",
                           "1.2.3.4::",
                           "::1.2.3.04",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::0x1",
                           "::-1",
                           "localhost",
                           "1.2.3.4%a:b",
                           "::1\n"}) {
    EXPECT_EQ(canonical(text), "no address") << text;
  }
  EXPECT_EQ(canonical(std::string_view("1.2.3.4\0", 8)), "no address");
}

/// The operating system's reader, as a second opinion.
std::optional<IpAddress> system_parse(const std::string& text) {
  std::array<std::uint8_t, 4> v4;
  std::array<std::uint8_t, 16> v6;
  if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1) return IpAddress::v4(v4);
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return IpAddress::v6(v6);
  return std::nullopt;
}

TEST(IpAddress, AgreesWithTheSystemOnRandomText) {
  std::mt19937 random(1);
  const std::string_view alphabet = "0123456789abcdefF::::....";
  const char* const seeds[] = {"203.0.113.7",    "2001:db8::1", "1:2:3:4:5:6:7:8",
                               "::ffff:1.2.3.4", "::",          "1:2:3:4:5:6:1.2.3.4"};
  int addresses = 0;
  for (int i = 0; i < kRounds; ++i) {
    std::string text = seeds[random() % std::size(seeds)];
    for (auto changes = random() % 4; changes != 0; --changes) {
      const auto at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          if (text.size() > 1) text.erase(at, 1);
      }
    }
    const auto ours = IpAddress::parse(text);
    ASSERT_EQ(ours, system_parse(text)) << text;
    if (ours) ++addresses;
  }
  EXPECT_GT(addresses, kRounds / 10);
  EXPECT_LT(addresses, kRounds);
}

TEST(IpAddress, ReadsWhatItWrites) {
  std::mt19937 random(2);
  for (int i = 0; i < kRounds; ++i) {
    std::array<std::uint8_t, 16> bytes;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
    const IpAddress address = IpAddress::v6(bytes);
    std::string text;
    address.append_to(text);
    ASSERT_EQ(IpAddress::parse(text), address) << text;
    // The shortest of the system's spellings is ours, but for addresses it writes with dots.
    std::array<char, INET6_ADDRSTRLEN> system;
    inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.bytes().data(), system.data(),
              system.size());
    if (address.is_v4() || !std::string_view(system.data()).contains('.')) {
      ASSERT_EQ(text, system.data());
    }
  }
}

}  // namespace
}  // namespace tidegate
