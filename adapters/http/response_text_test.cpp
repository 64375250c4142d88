#include "adapters/http/response_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::server {
namespace {

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string text_of(const Answer& answer, const Envelope& envelope) {
  std::string out;
  append_response(answer, envelope, out);
  return out;
}

TEST(ResponseText, WritesAWholeResponse) {
  EXPECT_EQ(text_of({.body = "{}"}, {.date = kDate, .fields = "A: b\r\n"}),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nA: b\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(ResponseText, SaysHowLongABodyWouldBeWithoutSendingIt) {
  const std::string text = text_of({.body = "body"}, {.date = kDate, .head_only = true});
  EXPECT_TRUE(text.ends_with("Content-Length: 4\r\n\r\n")) << text;
}

TEST(ResponseText, SaysWhetherTheConnectionGoesOn) {
  const auto connection = [](bool keep_alive, bool http_1_0) {
    const std::string text =
        text_of({}, {.date = kDate, .keep_alive = keep_alive, .http_1_0 = http_1_0});
    const auto at = text.find("Connection: ");
    return at == std::string::npos ? "" : text.substr(at + 12, text.find('\r', at) - at - 12);
  };
  EXPECT_EQ(connection(true, false), "");
  EXPECT_EQ(connection(false, false), "close");
  EXPECT_EQ(connection(true, true), "keep-alive");
  EXPECT_EQ(connection(false, true), "close");
}

TEST(ResponseText, StreamsInChunksOrToTheEndOfTheConnection) {
  const Answer stream{.stream = true};
  EXPECT_TRUE(text_of(stream, {.date = kDate}).ends_with("Transfer-Encoding: chunked\r\n\r\n"));
  const std::string old = text_of(stream, {.date = kDate, .http_1_0 = true});
  EXPECT_EQ(old.find("chunked"), std::string::npos);
  EXPECT_NE(old.find("Connection: close\r\n"), std::string::npos);

  std::string out;
  append_chunk("0123456789abcdef!", out);
  append_chunk("", out);
  EXPECT_EQ(out, "11\r\n0123456789abcdef!\r\n0\r\n\r\n");
}

TEST(ResponseText, KnowsTheStatusesTheServerAnswers) {
  for (const unsigned status :
       {200U, 201U, 400U, 403U, 404U, 405U, 408U, 413U, 417U, 429U, 431U, 503U, 505U}) {
    const std::string line = "HTTP/1.1 " + std::to_string(status) + " ";
    EXPECT_TRUE(text_of({.status = status}, {.date = kDate}).starts_with(line)) << status;
  }
}

}  // namespace
}  // namespace tidegate::server
