// The public middleware for Boost.Beast, as an application uses it.
#include "tidegate/beast.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <string>

#include <boost/beast/http/empty_body.hpp>

namespace tidegate {
namespace {

namespace http = boost::beast::http;

class Middleware : public testing::Test {
 protected:
  Middleware() {
    LoadedConfig loaded;
    loaded.config.memory.segment.clear();
    loaded.config.memory.capacity = 1'000;
    loaded.config.memory.log_slots = 0;
    loaded.config.default_limit.windows.front().limit = 2;
    loaded.config.log = "/dev/null";
    auto opened = Limiter::open(loaded);
    EXPECT_TRUE(opened);
    limiter_ = std::move(*opened);
  }
  bool admit(const http::request<http::empty_body>& request) {
    const RateLimitMiddleware guard(*limiter_);
    return guard.admit(request, *IpAddress::parse("203.0.113.7"), decision_);
  }

  std::unique_ptr<Limiter> limiter_;
  Decision decision_;
};

TEST_F(Middleware, MarksResponsesAndReplacesFieldsThatAreThere) {
  const RateLimitMiddleware guard(*limiter_);
  ASSERT_TRUE(admit({http::verb::get, "/", 11}));
  http::response<http::empty_body> response(http::status::internal_server_error, 11);
  response.set("X-RateLimit-Limit", "an upstream's own");
  guard.add_fields(response, decision_);
  EXPECT_EQ(response["X-RateLimit-Limit"], "2");
  EXPECT_EQ(response["X-RateLimit-Remaining"], "1");
  EXPECT_EQ(response.count("X-RateLimit-Limit"), 1U);
  EXPECT_EQ(response.count(http::field::access_control_expose_headers), 0U);
}

TEST_F(Middleware, LetsScriptsOfOtherOriginsReadTheFields) {
  const RateLimitMiddleware guard(*limiter_);
  ASSERT_TRUE(admit({http::verb::get, "/", 11}));
  http::response<http::empty_body> response(http::status::ok, 11);
  response.set(http::field::access_control_allow_origin, "*");
  response.set(http::field::access_control_expose_headers, "X-Own");
  guard.add_fields(response, decision_);
  guard.add_fields(response, decision_);
  const auto lines = response.equal_range(http::field::access_control_expose_headers);
  ASSERT_EQ(std::distance(lines.first, lines.second), 2);
  EXPECT_EQ(lines.first->value(), "X-Own");
  EXPECT_EQ(std::next(lines.first)->value(),
            "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After");
}

TEST_F(Middleware, AnswersWhoIsNotAdmitted) {
  const RateLimitMiddleware guard(*limiter_);
  const http::request<http::empty_body> request(http::verb::get, "/reports", 11);
  EXPECT_TRUE(admit(request));
  EXPECT_TRUE(admit(request));
  ASSERT_FALSE(admit(request));
  const auto response = guard.rejection(request, decision_);
  EXPECT_EQ(response.result_int(), 429U);
  EXPECT_EQ(response[http::field::content_type], "application/json");
  EXPECT_GE(std::stoi(std::string(response[http::field::retry_after])), 1);
  EXPECT_NE(response.body().find("exceeded for endpoint /reports"), std::string::npos);
  EXPECT_EQ(response[http::field::content_length], std::to_string(response.body().size()));
  EXPECT_TRUE(response.keep_alive());
}

TEST_F(Middleware, LetsScriptsOfOtherOriginsReadARefusal) {
  const RateLimitMiddleware guard(*limiter_);
  const http::request<http::empty_body> request(http::verb::get, "/reports", 11);
  while (admit(request)) {
  }
  auto response = guard.rejection(request, decision_);
  response.set(http::field::access_control_allow_origin, "https://app.example");
  guard.add_fields(response, decision_);
  EXPECT_EQ(response[http::field::access_control_expose_headers],
            "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After");
  EXPECT_EQ(response.count(http::field::retry_after), 1U);
}

TEST_F(Middleware, AnswersHeadWithoutABody) {
  const RateLimitMiddleware guard(*limiter_);
  const http::request<http::empty_body> request(http::verb::head, "/", 11);
  while (admit(request)) {
  }
  const auto response = guard.rejection(request, decision_);
  EXPECT_TRUE(response.body().empty());
  EXPECT_GT(std::stoi(std::string(response[http::field::content_length])), 0);
}

TEST_F(Middleware, BelievesTheCallerAboutClientAndCost) {
  const RateLimitMiddleware guard(*limiter_);
  const http::request<http::empty_body> request(http::verb::get, "/", 11);
  const auto peer = *IpAddress::parse("203.0.113.7");
  EXPECT_TRUE(guard.admit(request, peer, decision_, {.client = "user:42", .cost = 2}));
  EXPECT_EQ(decision_.client.client_id, "user:42");
  EXPECT_FALSE(guard.admit(request, peer, decision_, {.client = "user:42"}));
  EXPECT_TRUE(guard.admit(request, peer, decision_));
}

}  // namespace
}  // namespace tidegate
