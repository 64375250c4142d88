#include "core/cidr.hpp"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

bool contains(const char* range, const char* address) {
  return Cidr::parse(range).value().contains(IpAddress::parse(address).value());
}

TEST(Cidr, ContainsWhatSharesThePrefix) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.7"));
  EXPECT_TRUE(contains("203.0.113.7", "203.0.113.7"));
  EXPECT_FALSE(contains("203.0.113.7", "203.0.113.8"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(contains("::1", "::1"));
}

TEST(Cidr, KeepsTheFamiliesApart) {
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_FALSE(contains("::/0", "0.0.0.1"));
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
  EXPECT_FALSE(contains("::ffff:10.0.0.0/104", "11.1.2.3"));
}

TEST(Cidr, RefusesWhatIsNoRange) {
  for (const char* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8",
        "10.0.0.0/8x", "10.0.0.1/8", "10.0.0/8", "::/129", "2001:db8::1/32", "::ffff:10.0.0.0/8",
        "::ffff:10.0.0.0/129", "10.0.0.0/99999999999", "localhost", "10.0.0.0 /8"}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
}

TEST(Cidr, MasksWhatIsBehindThePrefix) {
  const auto masked = [](const char* address, unsigned prefix) {
    std::string text;
    mask(IpAddress::parse(address).value(), prefix).append_to(text);
    return text;
  };
  EXPECT_EQ(masked("203.0.113.7", 24), "203.0.113.0");
  EXPECT_EQ(masked("203.0.113.7", 0), "0.0.0.0");
  EXPECT_EQ(masked("203.0.113.7", 64), "203.0.113.7");
  EXPECT_EQ(masked("2001:db8:1:2:3:4:5:6", 64), "2001:db8:1:2::");
  EXPECT_EQ(masked("2001:db8:1:2ff:3:4:5:6", 60), "2001:db8:1:2f0::");
  EXPECT_EQ(masked("2001:db8::1", 128), "2001:db8::1");
}

}  // namespace
}  // namespace tidegate
