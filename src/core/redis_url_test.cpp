#include "core/redis_url.hpp"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(RedisUrl, NamesHostPortAndDatabase) {
  const auto url = parse_redis_url("redis://cache.example:6380/5");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "cache.example");
  EXPECT_EQ(url->port, 6380);
  EXPECT_EQ(url->database, 5U);
  EXPECT_FALSE(url->tls);
  EXPECT_EQ(url->user, "");
}

TEST(RedisUrl, HasDefaults) {
  const auto url = parse_redis_url("rediss://h");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->port, 6379);
  EXPECT_EQ(url->database, 0U);
  EXPECT_TRUE(parse_redis_url("redis://h/"));
}

TEST(RedisUrl, DecodesUserAndPassword) {
  const auto url = parse_redis_url("redis://us%65r:p%40ss:w%3Ard%25@h:1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@ss:w:rd%");
  const auto password = parse_redis_url("redis://:only@h");
  ASSERT_TRUE(password);
  EXPECT_EQ(password->user, "");
  EXPECT_EQ(password->password, "only");
  const auto unescaped = parse_redis_url("redis://u:a@b@h");
  ASSERT_TRUE(unescaped);
  EXPECT_EQ(unescaped->password, "a@b");
  EXPECT_EQ(unescaped->host, "h");
}

TEST(RedisUrl, TakesAddressesInBrackets) {
  const auto url = parse_redis_url("redis://[2001:db8::1]:7000/1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->port, 7000);
}

TEST(RedisUrl, TakesUnixSockets) {
  const auto url = parse_redis_url("unix://u:p@/run/redis.sock?db=3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, "/run/redis.sock");
  EXPECT_EQ(url->database, 3U);
  EXPECT_EQ(url->host, "");
}

TEST(RedisUrl, SaysWhatIsWrong) {
  for (const auto& [url, problem] : {
           std::pair{"http://h", "it begins with none of the three"},
           std::pair{"redis:/h", "it begins with none of the three"},
           std::pair{"redis://", "it names no host"},
           std::pair{"redis://:6379", "it names no host"},
           std::pair{"redis://h:0", "its port is not a number from 1 to 65535"},
           std::pair{"redis://h:65536", "its port is not a number from 1 to 65535"},
           std::pair{"redis://h:", "its port is not a number from 1 to 65535"},
           std::pair{"redis://[::1", "its [ has no ]"},
           std::pair{"redis://[::1]x", "its port is not a number from 1 to 65535"},
           std::pair{"redis://h/x", "its database is not a number"},
           std::pair{"redis://h/-1", "its database is not a number"},
           std::pair{"redis://u:%zz@h",
                     "in its user or password % is not followed by two hexadecimal digits"},
           std::pair{"redis://u@h", "it has a user and no password"},
           std::pair{"redis://h h", "it has a space or control character"},
           std::pair{"unix://run", "the path of a socket is absolute"},
           std::pair{"unix:///s?x=1", "behind ? there is only db=NUMBER"},
       }) {
    const auto parsed = parse_redis_url(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error(), problem) << url;
  }
}

}  // namespace
}  // namespace tidegate
