#include "adapters/asio/load.hpp"

#include <gtest/gtest.h>

namespace tidegate::server {
namespace {

TEST(ResponseEnd, IsFoundByLength) {
  const std::string response = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}";
  for (std::size_t size = 0; size < response.size(); ++size) {
    const auto end = find_end(std::string_view(response).substr(0, size));
    ASSERT_TRUE(end) << size;
    ASSERT_FALSE(*end) << size;
  }
  const auto end = find_end(response + "HTTP/1.1");
  ASSERT_TRUE(end && *end);
  EXPECT_EQ((*end)->status, 429U);
  EXPECT_EQ((*end)->size, response.size());
  EXPECT_FALSE((*end)->closes);
}

TEST(ResponseEnd, IsFoundByChunks) {
  const std::string response =
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
      "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
  for (std::size_t size = 0; size < response.size(); ++size) {
    const auto end = find_end(std::string_view(response).substr(0, size));
    ASSERT_TRUE(end) << size;
    ASSERT_FALSE(*end) << size;
  }
  const auto end = find_end(response);
  ASSERT_TRUE(end && *end);
  EXPECT_EQ((*end)->size, response.size());
  EXPECT_TRUE((*end)->closes);
}

TEST(ResponseEnd, NeedsAResponseThatSaysWhereItEnds) {
  EXPECT_FALSE(find_end("SSH-2.0\r\n\r\n"));
  EXPECT_FALSE(find_end("HTTP/1.1 abc\r\n\r\n"));
  EXPECT_FALSE(find_end("HTTP/1.1 200 OK\r\n\r\n"));
  EXPECT_FALSE(find_end("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"));
  EXPECT_FALSE(find_end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
  EXPECT_TRUE(*find_end("HTTP/1.1 204 No Content\r\n\r\n"));
}

TEST(LoadUrl, IsRead) {
  const auto url = read_url("http://[::1]:81/a?b");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, "81");
  EXPECT_EQ(url->target, "/a?b");
  EXPECT_EQ(read_url("http://h")->port, "80");
  EXPECT_EQ(read_url("http://h")->target, "/");
  for (const char* wrong : {"https://h/", "h:80", "http://", "http://:80/", "http://h:0/",
                            "http://h:x/", "http://[::1/", "http://h/a b"}) {
    EXPECT_FALSE(read_url(wrong)) << wrong;
  }
}

TEST(LoadResult, HasQuantiles) {
  LoadResult result;
  EXPECT_EQ(result.quantile_us(0.5), 0U);
  for (std::uint32_t i = 1; i <= 100; ++i) result.latencies_us.push_back(i);
  EXPECT_EQ(result.quantile_us(0.5), 50U);
  EXPECT_EQ(result.quantile_us(0.95), 95U);
  EXPECT_EQ(result.quantile_us(0.991), 100U);
  EXPECT_EQ(result.quantile_us(1), 100U);
}

}  // namespace
}  // namespace tidegate::server
