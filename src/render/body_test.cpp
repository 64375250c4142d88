#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <boost/json/src.hpp>

#include "render/grpc.hpp"
#include "render/test_decisions.hpp"

namespace tidegate {
namespace {

namespace json = boost::json;

std::vector<std::string> names_of(const json::object& object) {
  std::vector<std::string> names;
  for (const auto& member : object) names.emplace_back(member.key());
  return names;
}

/// Parses strictly: a body that is no JSON throws, and the test fails.
json::object parse_body(const Decision& decision) {
  return json::parse(body_of(decision)).as_object();
}

std::string message_for(std::string_view path) {
  Decision decision = denied_decision();
  decision.path = path;
  return std::string(parse_body(decision).at("message").as_string());
}

/// What the message says of the path.
std::string endpoint_for(std::string_view path) {
  const std::string message = message_for(path);
  const std::string_view before = "exceeded for endpoint ";
  return message.substr(message.find(before) + before.size());
}

TEST(Body, SaysWhatWasExceededAndWhenToComeBack) {
  EXPECT_EQ(
      body_of(denied_decision()),
      R"({"error":"rate_limit_exceeded","message":"Rate limit of 100 requests per 60 seconds )"
      R"(exceeded for endpoint /api/v1/hello","retry_after_seconds":30,"limit":100,)"
      R"("window_seconds":60})");
}

TEST(Body, IsAppended) {
  std::string body = "before";
  append_rejection_body(denied_decision(), body);
  EXPECT_TRUE(body.starts_with("before{\"error\":"));
}

TEST(Body, ListsTheWindowsThatSaidNo) {
  Decision decision = denied_decision();
  decision.denial = Denial::multiple_windows_exceeded;
  WindowState hour = window_state("default", 1'000, 3'600'000'000);
  hour.remaining = 7;
  decision.windows.push_back(hour);  // not exceeded
  WindowState half = window_state("default", 5, 500'000);
  half.exceeded = true;
  half.retry_after_us = 100;
  decision.windows.push_back(half);
  EXPECT_EQ(body_of(decision),
            R"({"error":"multiple_windows_exceeded","message":"Rate limit of 100 requests per 60 )"
            R"(seconds exceeded for endpoint /api/v1/hello","retry_after_seconds":30,"limit":100,)"
            R"("window_seconds":60,"windows":[{"limit":100,"window_seconds":60,)"
            R"("retry_after_seconds":30},{"limit":5,"window_seconds":0.5,)"
            R"("retry_after_seconds":1}]})");
}

TEST(Body, WindowsHaveAsManyDecimalsAsTheyNeed) {
  Decision decision = denied_decision();
  const auto seconds = [&](std::uint64_t us) {
    decision.windows[0].window_us = us;
    const std::string body = body_of(decision);
    return body.substr(body.rfind(':') + 1);
  };
  EXPECT_EQ(seconds(500'000), "0.5}");
  EXPECT_EQ(seconds(1'500'000), "1.5}");
  EXPECT_EQ(seconds(1'000), "0.001}");
  EXPECT_EQ(seconds(1'000'001), "1.000001}");
  EXPECT_EQ(seconds(10'000'000), "10}");
}

TEST(Body, EachReasonHasItsOwnWording) {
  Decision decision = denied_decision();
  decision.cost = 600;
  const auto answer = [&](Denial denial) {
    decision.denial = denial;
    const json::object body = parse_body(decision);
    EXPECT_EQ(names_of(body), (std::vector<std::string>{"error", "message", "retry_after_seconds",
                                                        "limit", "window_seconds"}));
    return std::pair(std::string(body.at("error").as_string()),
                     std::string(body.at("message").as_string()));
  };
  using Answer = std::pair<std::string, std::string>;
  EXPECT_EQ(answer(Denial::maintenance),
            (Answer{"maintenance", "Endpoint /api/v1/hello is closed for maintenance"}));
  EXPECT_EQ(answer(Denial::cost_exceeds_limit),
            (Answer{"cost_exceeds_limit",
                    "A cost of 600 is more than the rate limit can ever admit for endpoint "
                    "/api/v1/hello"}));
  EXPECT_EQ(answer(Denial::penalty_active),
            (Answer{"penalty_active",
                    "Rate limits were exceeded too often: requests for endpoint /api/v1/hello are "
                    "refused until the penalty ends"}));
  decision.outcome = Outcome::failed_closed;
  EXPECT_EQ(answer(Denial::rate_limiter_unavailable),
            (Answer{"rate_limiter_unavailable",
                    "The rate limiter is unavailable: requests for endpoint /api/v1/hello are "
                    "refused until it is back"}));
}

TEST(Body, WhatIsNotKnownIsNull) {
  Decision decision = denied_decision();
  decision.denial = Denial::cost_exceeds_limit;
  decision.retry_after_us.reset();
  EXPECT_TRUE(parse_body(decision).at("retry_after_seconds").is_null());

  decision.denial = Denial::penalty_active;  // of a rule without a limit
  decision.windows.clear();
  const json::object body = parse_body(decision);
  EXPECT_TRUE(body.at("limit").is_null());
  EXPECT_TRUE(body.at("window_seconds").is_null());
  EXPECT_TRUE(fields_of(decision).contains("Content-Type"));
}

TEST(Body, PathsAreEscaped) {
  EXPECT_EQ(endpoint_for(R"(/a"b\c)"), R"(/a"b\c)");
  EXPECT_EQ(endpoint_for(std::string_view("/\0\x01\n\x1f\x7f", 6)),
            std::string_view("/\0\x01\n\x1f\x7f", 6));
  Decision decision = denied_decision();
  decision.path = "/\n\x7f\"\\";
  EXPECT_NE(body_of(decision).find(R"(endpoint /\u000a\u007f\"\\")"), std::string::npos);
}

TEST(Body, Utf8StaysAndEverythingElseIsReplaced) {
  const std::string bad = "\xef\xbf\xbd";  // U+FFFD
  EXPECT_EQ(endpoint_for("/caf\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x8c\x8a"),
            "/caf\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x8c\x8a");
  EXPECT_EQ(endpoint_for("/\xff"), "/" + bad);
  EXPECT_EQ(endpoint_for("/\xc3"), "/" + bad) << "cut short";
  EXPECT_EQ(endpoint_for("/\xc3/"), "/" + bad + "/");
  EXPECT_EQ(endpoint_for("/\xc0\xaf"), "/" + bad + bad) << "overlong";
  EXPECT_EQ(endpoint_for("/\xe0\x80\xaf"), "/" + bad + bad + bad) << "overlong";
  EXPECT_EQ(endpoint_for("/\xed\xa0\x80"), "/" + bad + bad + bad) << "a surrogate";
  EXPECT_EQ(endpoint_for("/\xf4\x90\x80\x80"), "/" + bad + bad + bad + bad) << "above U+10FFFF";
}

TEST(Body, LongPathsAreCutBetweenCharacters) {
  EXPECT_EQ(endpoint_for(std::string(256, 'a')), std::string(256, 'a'));
  EXPECT_EQ(endpoint_for(std::string(257, 'a')), std::string(256, 'a'));
  EXPECT_EQ(endpoint_for(std::string(255, 'a') + "\xc3\xa9"), std::string(255, 'a'));
  EXPECT_EQ(endpoint_for(std::string(254, 'a') + "\xc3\xa9"), std::string(254, 'a') + "\xc3\xa9");
  EXPECT_EQ(endpoint_for(std::string(255, 'a') + "\""), std::string(255, 'a'));
  EXPECT_EQ(endpoint_for(std::string(251, 'a') + "\n"), std::string(251, 'a'));
  EXPECT_EQ(endpoint_for(std::string(250, 'a') + "\n"), std::string(250, 'a') + "\n");
  EXPECT_EQ(endpoint_for(std::string(10'000, '\xff')).size(), 256U / 6 * 3);
}

TEST(Body, IsJsonWhateverThePathHolds) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string path(random() % 300, '\0');
    const bool any = i % 2 == 0;
    for (char& c : path) c = static_cast<char>(any ? random() : 0xc0 + random() % 0x40);
    if (i % 3 == 0) {
      for (std::size_t at = 1; at < path.size(); at += 2) {
        path[at] = static_cast<char>(0x80 + random() % 0x40);
      }
    }
    ASSERT_LE(endpoint_for(path).size(), 256U);
  }
}

TEST(Grpc, RequestsAreKnownByTheirType) {
  for (const char* const type : {"application/grpc", "application/grpc+proto", "Application/GRPC",
                                 "application/grpc;charset=utf-8", "application/grpc-web-text"}) {
    EXPECT_TRUE(is_grpc(type)) << type;
  }
  for (const char* const type : {"", "application/json", "application/grpcx", "application/gr"}) {
    EXPECT_FALSE(is_grpc(type)) << type;
  }
}

TEST(Grpc, RejectionsHaveAStatusAndAMessage) {
  Decision decision = denied_decision();
  decision.path = "/a%b\xc3\xa9";
  EXPECT_EQ(grpc_status(decision), 8U);
  std::string message;
  append_grpc_message(decision, message);
  EXPECT_TRUE(message.ends_with(" exceeded for endpoint /a%25b%C3%A9")) << message;
  decision.outcome = Outcome::failed_closed;
  EXPECT_EQ(grpc_status(decision), 14U);
}

}  // namespace
}  // namespace tidegate
