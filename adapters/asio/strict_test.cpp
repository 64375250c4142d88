#include "adapters/asio/strict.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::server {
namespace {

unsigned status_of(const std::optional<Refusal>& refusal) {
  return refusal ? refusal->status : 200;
}

TEST(Strict, TakesHeadersAsTheyShouldBe) {
  EXPECT_EQ(status_of(refuse_lines("GET / HTTP/1.1\r\nHost: x\r\nA:\tb\r\n\r\n")), 200U);
}

TEST(Strict, RefusesLinesThatDoNotEndWithCrlf) {
  for (const char* const head :
       {"GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "\n\r\n"}) {
    EXPECT_EQ(status_of(refuse_lines(head)), 400U) << head;
  }
}

TEST(Strict, RefusesFoldedFields) {
  EXPECT_EQ(status_of(refuse_lines("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")), 400U);
  EXPECT_EQ(status_of(refuse_lines("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n")), 400U);
}

TEST(Strict, CountsFields) {
  const auto head = [](std::size_t fields) {
    std::string text = "GET / HTTP/1.1\r\n";
    for (std::size_t i = 0; i < fields; ++i) text += "A: b\r\n";
    return text + "\r\n";
  };
  EXPECT_EQ(status_of(refuse_lines(head(kMaxFields))), 200U);
  EXPECT_EQ(status_of(refuse_lines(head(kMaxFields + 1))), 431U);
}

TEST(Strict, SeesAtOnceWhatWillNeverBeARequest) {
  for (const char* const begun : {"", "G", "GET / HT", "get /", "\r", "GET / HTTP/1.1\r\nHost"}) {
    EXPECT_EQ(status_of(refuse_beginning(begun)), 200U) << begun;
  }
  for (const char* const begun : {"\x16\x03\x01", "\n", " GET", "{", "GET / HTTP/1.1\n"}) {
    EXPECT_EQ(status_of(refuse_beginning(begun)), 400U) << begun;
  }
}

TEST(Strict, WantsOneHost) {
  EXPECT_EQ(status_of(refuse_framing({.version = 11, .hosts = 1})), 200U);
  EXPECT_EQ(status_of(refuse_framing({.version = 11, .hosts = 0})), 400U);
  EXPECT_EQ(status_of(refuse_framing({.version = 10, .hosts = 0})), 200U);
  EXPECT_EQ(status_of(refuse_framing({.version = 10, .hosts = 2})), 400U);
}

TEST(Strict, WantsOneWayToSayWhereABodyEnds) {
  Framing length{.hosts = 1, .content_lengths = 1, .content_length = "12"};
  EXPECT_EQ(status_of(refuse_framing(length)), 200U);
  for (const char* const bad : {"", "+1", "-1", "0x1", "1, 1", "1 ", "1;"}) {
    length.content_length = bad;
    EXPECT_EQ(status_of(refuse_framing(length)), 400U) << bad;
  }
  length = {.hosts = 1, .content_lengths = 2, .content_length = "1"};
  EXPECT_EQ(status_of(refuse_framing(length)), 400U);

  Framing chunked{.hosts = 1, .transfer_encodings = 1, .transfer_encoding = "Chunked"};
  EXPECT_EQ(status_of(refuse_framing(chunked)), 200U);
  chunked.version = 10;
  EXPECT_EQ(status_of(refuse_framing(chunked)), 400U);
  chunked = {.hosts = 1,
             .content_lengths = 1,
             .transfer_encodings = 1,
             .content_length = "0",
             .transfer_encoding = "chunked"};
  EXPECT_EQ(status_of(refuse_framing(chunked)), 400U);
  for (const char* const bad : {"gzip, chunked", "chunked, chunked", "identity", "", " chunked"}) {
    EXPECT_EQ(
        status_of(refuse_framing({.hosts = 1, .transfer_encodings = 1, .transfer_encoding = bad})),
        400U)
        << bad;
  }
}

TEST(Strict, KnowsOneExpectation) {
  EXPECT_EQ(status_of(refuse_framing({.hosts = 1, .expect = "100-Continue"})), 200U);
  EXPECT_EQ(status_of(refuse_framing({.hosts = 1, .expect = "miracles"})), 417U);
}

TEST(Strict, RefusesMethodsOfAbsurdLength) {
  const std::string method(kMaxMethodBytes + 1, 'A');
  EXPECT_EQ(status_of(refuse_framing({.method = method, .hosts = 1})), 400U);
}

}  // namespace
}  // namespace tidegate::server
