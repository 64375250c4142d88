#include "store/redis/resp.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace tidegate::redis {
namespace {

std::string what_is_wrong(std::string_view bytes) {
  ReplyReader reader;
  reader.feed(bytes);
  const auto reply = reader.next();
  return reply ? "" : reply.error();
}

TEST(Commands, AreArraysOfBulkStrings) {
  const std::array<std::string_view, 3> words{"SET", "k", std::string_view("a\0\r\n", 4)};
  std::string out;
  append_command(words, out);
  EXPECT_EQ(out, std::string("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n", 30));
}

TEST(ReplyReader, ReadsEveryKind) {
  ReplyReader reader;
  reader.feed(
      "+OK\r\n-ERR no\r\n:-12\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n*-1\r\n");
  EXPECT_EQ(reader.next()->value().kind, Reply::Kind::status);
  const Reply error = reader.next()->value();
  EXPECT_EQ(error.kind, Reply::Kind::error);
  EXPECT_EQ(error.text, "ERR no");
  EXPECT_EQ(reader.next()->value().integer, -12);
  EXPECT_EQ(reader.next()->value().text, "a\r\n");
  EXPECT_EQ(reader.next()->value().kind, Reply::Kind::nil);
  const Reply array = reader.next()->value();
  ASSERT_EQ(array.elements.size(), 2U);
  EXPECT_EQ(array.elements[0].integer, 1);
  ASSERT_EQ(array.elements[1].elements.size(), 1U);
  EXPECT_EQ(array.elements[1].elements[0].kind, Reply::Kind::text);
  EXPECT_EQ(reader.next()->value().kind, Reply::Kind::nil);
  EXPECT_FALSE(reader.next()->has_value());
}

TEST(ReplyReader, WaitsForTheRest) {
  const std::string_view bytes = "*2\r\n$5\r\nhello\r\n:7\r\n";
  ReplyReader reader;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    reader.feed(bytes.substr(i, 1));
    const auto reply = reader.next();
    ASSERT_TRUE(reply) << i;
    ASSERT_FALSE(reply->has_value()) << i;
  }
  reader.feed(bytes.substr(bytes.size() - 1));
  EXPECT_EQ(reader.next()->value().elements[1].integer, 7);
}

TEST(ReplyReader, RefusesWhatIsNoProtocol) {
  EXPECT_NE(what_is_wrong("HTTP/1.1 400 Bad Request\r\n"), "");
  EXPECT_NE(what_is_wrong("$x\r\n"), "");
  EXPECT_NE(what_is_wrong(":1x\r\n"), "");
}

TEST(ReplyReader, RefusesClaimsBeforeTheyArrive) {
  constexpr std::string_view kTooMuch = "it claims more than is ever read";
  EXPECT_EQ(what_is_wrong("$2147483647\r\n"), kTooMuch);
  EXPECT_NE(what_is_wrong("$99999999999999999999\r\n"), "");
  EXPECT_EQ(what_is_wrong("*2147483647\r\n"), kTooMuch);
  EXPECT_EQ(what_is_wrong("*65537\r\n"), kTooMuch);
  EXPECT_EQ(what_is_wrong("*2\r\n*40000\r\n"), "") << "as far as that goes";
  std::string pieces = "*2\r\n*40000\r\n";
  for (int i = 0; i < 40'000; ++i) pieces += ":1\r\n";
  EXPECT_EQ(what_is_wrong(pieces + "*40000\r\n"), kTooMuch) << "in pieces";
}

TEST(ReplyReader, RefusesDeepNests) {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "*1\r\n";
  EXPECT_NE(what_is_wrong(deep), "");
}

TEST(ReplyReader, ReadsOnAfterManyReplies) {
  ReplyReader reader;
  for (int i = 0; i < 10; ++i) {
    std::string many;
    for (int n = 0; n < 60'000; ++n) many += ":1\r\n";
    reader.feed("*60000\r\n" + many);
    ASSERT_EQ(reader.next()->value().elements.size(), 60'000U) << "bounds are those of one reply";
  }
}

}  // namespace
}  // namespace tidegate::redis
