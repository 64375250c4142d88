#include "engine/access_line.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate {
namespace {

constexpr std::uint64_t kTenOClock_s = 1'795'514'400;  // 2026-11-24T10:00:00Z

/// A line whose parts can be replaced one at a time.
struct Parts {
  std::string client = "203.0.113.7 - -";
  std::string time = "24/Nov/2026:10:00:00 +0000";
  std::string request = "GET /a?b=c HTTP/1.1";
  std::string rest = R"(200 512 "https://example.com/" "curl/7.88")";

  [[nodiscard]] std::string text() const {
    return client + " [" + time + "] \"" + request + "\" " + rest;
  }
};

AccessLine read(const Parts& parts) {
  AccessLine line;
  const auto fault = read_access_line(parts.text(), line);
  EXPECT_FALSE(fault) << parts.text() << ": " << to_string(*fault);
  return line;
}

std::optional<AccessLineFault> fault_of_text(const std::string& text) {
  AccessLine line;
  return read_access_line(text, line);
}
std::optional<AccessLineFault> fault_of(const Parts& parts) { return fault_of_text(parts.text()); }

TEST(AccessLine, TellsWhoAskedWhenForWhatAndWhatWasAnswered) {
  const AccessLine line = read({});
  EXPECT_EQ(line.peer, IpAddress::parse("203.0.113.7"));
  EXPECT_EQ(line.time_s, kTenOClock_s);
  EXPECT_EQ(line.method, "GET");
  EXPECT_EQ(line.target, "/a?b=c");
  EXPECT_EQ(line.status, 200U);
  EXPECT_EQ(line.user_agent, "curl/7.88");
}

TEST(AccessLine, ReadsTheFormatsOfBothServers) {
  EXPECT_EQ(read({.rest = "304 0"}).status, 304U) << "common";
  EXPECT_EQ(read({.rest = "304 -"}).status, 304U) << "Apache writes - for no bytes";
  EXPECT_EQ(read({.rest = "- 0"}).status, 0U);
  EXPECT_EQ(read({.rest = R"(200 1 "-" "agent" "198.51.100.1")"}).user_agent, "agent")
      << "nginx's packages add X-Forwarded-For";
  const AccessLine line = read({.client = "www.example.com:443 203.0.113.9 - bob"});
  EXPECT_EQ(line.peer, IpAddress::parse("203.0.113.9")) << "Apache's vhost_combined";
}

TEST(AccessLine, ReadsAddressesOfAllKinds) {
  EXPECT_EQ(read({.client = "2001:db8::1 - -"}).peer, IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(read({.client = "::ffff:192.0.2.1 - -"}).peer, IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(read({.client = "unix: - -"}).peer, std::nullopt);
  EXPECT_EQ(fault_of({.client = "host.example.com - -"}), AccessLineFault::address);
  EXPECT_EQ(fault_of({.client = "host.example.com:80 other.example.com - -"}),
            AccessLineFault::address);
  EXPECT_EQ(fault_of({.client = "host.example.com 192.0.2.1 -"}), AccessLineFault::address)
      << "the second word is what the client says of himself";
}

TEST(AccessLine, ReadsTimeZones) {
  EXPECT_EQ(read({.time = "24/Nov/2026:11:30:00 +0130"}).time_s, kTenOClock_s);
  EXPECT_EQ(read({.time = "23/Nov/2026:23:00:00 -1100"}).time_s, kTenOClock_s);
  EXPECT_EQ(read({.time = "29/Feb/2028:23:59:59 +0000"}).time_s, 1'835'481'599U);
  EXPECT_EQ(read({.time = "01/Jan/1970:00:00:00 +0000"}).time_s, 0U);
  for (const char* const bad :
       {"", "24/Nov/2026:10:00:00", "24/Nov/2026:10:00:00 +000", "24/nov/2026:10:00:00 +0000",
        "31/Nov/2026:10:00:00 +0000", "24/Nov/2026:24:00:00 +0000", "24/Nov/2026:10:00:00 00000",
        "01/Jan/1970:00:00:00 +0001", "24/Nov/2126:10:00:00 +0000", "24-Nov-2026:10:00:00 +0000",
        "29/Feb/2027:10:00:00 +0000", "24/ovD/2026:10:00:00 +0000", "+4/Nov/2026:10:00:00 +0000"}) {
    EXPECT_EQ(fault_of({.time = bad}), AccessLineFault::time) << bad;
  }
}

TEST(AccessLine, UndoesTheEscapesOfBothServers) {
  EXPECT_EQ(read({.request = R"(GET /\x22\x5C\xC3\xa4 HTTP/1.1)"}).target, "/\"\\\xc3\xa4")
      << "nginx";
  EXPECT_EQ(read({.request = R"(GET /\"\\\n\t HTTP/1.1)"}).target, "/\"\\\n\t") << "Apache";
  EXPECT_EQ(read({.request = R"(GET /\x00 HTTP/1.1)"}).target, std::string("/\0", 2));
  EXPECT_EQ(read({.request = R"(GET /\xg1\q\u0041 HTTP/1.1)"}).target, R"(/\xg1\q\u0041)")
      << "what is no escape stands for itself";
  EXPECT_EQ(read({.rest = R"(200 1 "\"" "a \"b\" c")"}).user_agent, "a \"b\" c");
}

TEST(AccessLine, ReadsRequestLinesThatServersAccept) {
  EXPECT_EQ(read({.request = "GET /a b c HTTP/1.1"}).target, "/a b c");
  EXPECT_EQ(read({.request = "GET /old"}).target, "/old") << "HTTP/0.9";
  EXPECT_EQ(read({.request = "OPTIONS * HTTP/1.1"}).target, "*");
  EXPECT_EQ(read({.request = "GET http://other.example/x HTTP/1.1"}).target,
            "http://other.example/x");
  EXPECT_EQ(read({.request = "M-SEARCH /x HTTP/2.0"}).method, "M-SEARCH");
}

TEST(AccessLine, SaysWhenThereWasNoRequest) {
  EXPECT_EQ(fault_of({.request = "-", .rest = R"(408 - "-" "-")"}), AccessLineFault::no_request);
  EXPECT_EQ(fault_of({.request = "", .rest = R"(400 0 "-" "-")"}), AccessLineFault::no_request);
  for (const char* const garbage :
       {R"(\x16\x03\x01\x02\x00)", R"(\x16\x03 \x01 HTTP/1.1)", "POST /x", "GET ", "GET",
        "GET  HTTP/1.1", "/x HTTP/1.1", "123456789012345678901234567890123 /x HTTP/1.1"}) {
    EXPECT_EQ(fault_of({.request = garbage, .rest = "400 150"}), AccessLineFault::not_http)
        << garbage;
  }
}

TEST(AccessLine, BelievesNoTimeThatAUserWroteIntoHisName) {
  const Parts parts{.client =
                        "203.0.113.7 - x [01/Jan/2000:00:00:00 +0000] "
                        R"(\x22GET /free HTTP/1.1\x22 200 1)"};
  const AccessLine line = read(parts);
  EXPECT_EQ(line.time_s, kTenOClock_s);
  EXPECT_EQ(line.target, "/a?b=c");
}

TEST(AccessLine, RefusesWhatIsNoLineOfALog) {
  const std::string whole = Parts{}.text();
  for (std::size_t size = 0; size < whole.find("200"); ++size) {
    EXPECT_EQ(fault_of_text(whole.substr(0, size)), AccessLineFault::format)
        << whole.substr(0, size);
  }
  EXPECT_EQ(fault_of(Parts{.rest = "2000 1"}), AccessLineFault::format);
  EXPECT_EQ(fault_of(Parts{.rest = "200 x"}), AccessLineFault::format);
  EXPECT_EQ(fault_of(Parts{.rest = R"(200 1 "-" "cut off)"}), AccessLineFault::format);
  EXPECT_EQ(fault_of_text(R"({"time":"2026-11-24T10:00:00Z","request":"GET / HTTP/1.1"})"),
            AccessLineFault::format);
  Parts long_line;
  long_line.request = "GET /" + std::string(kMaxAccessLineBytes, 'a') + " HTTP/1.1";
  EXPECT_EQ(fault_of(long_line), AccessLineFault::format);
}

TEST(AccessLine, IgnoresTheCarriageReturnOfOtherSystems) {
  AccessLine line;
  EXPECT_FALSE(read_access_line(Parts{}.text() + "\r", line));
  EXPECT_EQ(line.user_agent, "curl/7.88");
}

}  // namespace
}  // namespace tidegate
