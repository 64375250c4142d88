#include "engine/explain.hpp"

#include <gtest/gtest.h>

#include <string>

#include "engine/header_list.hpp"
#include "engine/test_engine.hpp"

namespace tidegate {
namespace {

Request get(std::string_view target, const HeaderLines* headers = nullptr) {
  return {.peer = IpAddress::parse("203.0.113.7"),
          .method = "GET",
          .target = target,
          .headers = headers};
}

std::string explained(const RateLimitConfig& config, const Request& request) {
  const auto policy = Policy::compile(config, HashKey{1, 2}).value();
  return explain(*policy, Identifier(config.client_identification, HashKey{1, 2}), request, 0);
}

/// Whether a line of the explanation is, without what it is indented by, the one expected.
testing::AssertionResult says(const std::string& text, const std::string& line) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::size_t begin = text.find_first_not_of(' ', at);
    if (text.substr(begin, end - begin) == line) return testing::AssertionSuccess();
    at = end + 1;
  }
  return testing::AssertionFailure() << "no line \"" << line << "\" in\n" << text;
}

RateLimitConfig defaults() {
  RateLimitConfig config;
  config.default_limit = limit_of(100);
  return config;
}

TEST(Explain, TellsTheWholeStoryInTheOrderOfTheDecision) {
  EXPECT_EQ(explained(defaults(), get("/api//v1/./hello?x=1")),
            "client\n"
            "  jwt: skipped, as no tokens are configured\n"
            "  ip: 203.0.113.7 is the socket peer\n"
            "  so it is ip:203.0.113.7\n"
            "exemptions\n"
            "  no addresses are exempt\n"
            "tier\n"
            "  nobody names one, so it is anonymous\n"
            "path\n"
            "  /api//v1/./hello?x=1 is read as /api/v1/hello\n"
            "  it matches no exempt endpoint\n"
            "rules\n"
            "  GET /api/v1/hello meets the rule default\n"
            "    no endpoint's pattern and methods match, so the default applies\n"
            "charged to default\n"
            "  cost 1\n"
            "  counted for ip:203.0.113.7\n"
            "  the default limit\n"
            "    100 requests per 60 s, fixed_window: at most 100 in each 60 s, counted from "
            "1970-01-01T00:00Z on\n"
            "penalties\n"
            "  none are configured\n"
            "answer\n"
            "  X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset\n"
            "  rejected: 429 with Retry-After and a body that says why\n");
}

TEST(Explain, SaysWhyAPatternWinsAndTheOthersLose) {
  RateLimitConfig config = defaults();
  config.endpoints = {endpoint("deep", "/api/**", limit_of(1)),
                      endpoint("search", "/api/search/*", limit_of(2)),
                      endpoint("again", "/api/search/*", limit_of(3)),
                      endpoint("writes", "/api/search/x", limit_of(4)),
                      endpoint("low", "/api/search/x", limit_of(5)),
                      endpoint("elsewhere", "/other", limit_of(6))};
  config.endpoints[2].methods = {"GET", "PUT"};
  config.endpoints[3].methods = {"POST", "PUT"};
  config.endpoints[4].priority = -1;
  const std::string text = explained(config, get("/api/search/x"));
  EXPECT_TRUE(says(text, "GET /api/search/x meets the rule search"));
  EXPECT_TRUE(says(text, "search, /api/search/*: matches"));
  EXPECT_TRUE(says(text,
                   "deep, /api/**: matches too, and loses: it is less specific, with ** for search "
                   "in segment 2"));
  EXPECT_TRUE(says(text,
                   "again, GET, PUT /api/search/*: matches too, and loses: it is as specific, and "
                   "later in the file"));
  EXPECT_TRUE(says(text,
                   "writes, POST, PUT /api/search/x: matches, and is passed over, as it lists no "
                   "GET"));
  EXPECT_TRUE(says(text, "low, /api/search/x: matches too, and loses: its priority -1 is below 0"));
  EXPECT_EQ(text.find("elsewhere"), std::string::npos) << text;
}

TEST(Explain, NamesTheEndOfAPatternWhereAnotherGoesOn) {
  RateLimitConfig config = defaults();
  config.endpoints = {endpoint("all", "/a/**", limit_of(1)), endpoint("one", "/a", limit_of(1))};
  EXPECT_TRUE(says(explained(config, get("/a")),
                   "all, /a/**: matches too, and loses: it is less specific, with ** for nothing "
                   "in segment 2"));
}

TEST(Explain, ShowsEveryReadingOfAPathThatRoutersReadDifferently) {
  RateLimitConfig config = defaults();
  config.exempt_endpoints = {"/a/b"};
  config.endpoints = {endpoint("literal", "/a%2Fb", limit_of(1))};
  const std::string text = explained(config, get("/a%2Fb"));
  EXPECT_TRUE(says(text, "/a%2Fb is read as /a/b"));
  EXPECT_TRUE(says(text, "/a%2Fb might also be routed as /a%2Fb"));
  EXPECT_TRUE(says(text, "/a/b is exempt, as it matches /a/b"));
  EXPECT_TRUE(says(text, "but not every reading is exempt, so the request is not"));
}

TEST(Explain, StopsWhereSomethingIsExempt) {
  RateLimitConfig config = defaults();
  const std::string by_path = explained(config, get("/health"));
  EXPECT_TRUE(says(by_path, "/health is exempt, as it matches /health"));
  EXPECT_TRUE(says(by_path, "so it is exempt"));
  EXPECT_EQ(by_path.find("charged"), std::string::npos) << by_path;

  config.exemptions = {{.type = ExemptionConfig::Type::ip, .value = "198.51.100.0/24"}};
  EXPECT_TRUE(says(explained(config, get("/x")),
                   "the address is in none of those that are exempt: 198.51.100.0/24"));
  config.exemptions.push_back({.type = ExemptionConfig::Type::ip, .value = "203.0.113.0/24"});
  const std::string by_address = explained(config, get("/x"));
  EXPECT_TRUE(says(by_address, "the address is exempt, as it is in 203.0.113.0/24"));
  EXPECT_EQ(by_address.find("charged"), std::string::npos) << by_address;
}

TEST(Explain, SaysWhichTierWasNamedAndWhoseLimitApplies) {
  RateLimitConfig config = defaults();
  config.tiers = {{.name = "premium", .limit = limit_of(500)}};
  config.endpoints = {endpoint("search", "/search", limit_of(20))};
  config.endpoints[0].tiers.emplace("gold", limit_of(30));
  Request request = get("/x");
  request.tier = "premium";
  std::string text = explained(config, request);
  EXPECT_TRUE(says(text, "premium, as the caller says"));
  EXPECT_TRUE(says(text, "the limit of the tier premium"));
  request.target = "/search";
  text = explained(config, request);
  EXPECT_TRUE(says(text, "the endpoint's limit, as it has none for the tier premium"));
  request.tier = "gold";
  text = explained(config, request);
  EXPECT_TRUE(says(text, "the endpoint's limit for the tier gold"));
  request.tier = "platinum";
  text = explained(config, request);
  EXPECT_TRUE(says(text, "platinum is no tier of this configuration, so it is anonymous"));
  EXPECT_TRUE(says(text, "the endpoint's limit, as it has none for the tier anonymous"));
}

TEST(Explain, SaysWhatEachWindowAdmits) {
  RateLimitConfig config = defaults();
  config.endpoints = {endpoint("a", "/a", limit_of(10)), endpoint("b", "/b", limit_of(10)),
                      endpoint("c", "/c", limit_of(0)), endpoint("d", "/d", {})};
  config.endpoints[0].limit = {
      .algorithm = Algorithm::token_bucket,
      .windows = {{.limit = 10, .window = std::chrono::seconds(1), .burst = 15},
                  {.limit = 1, .window = std::chrono::milliseconds(1'500)}}};
  config.endpoints[1].limit.algorithm = Algorithm::sliding_window_counter;
  std::string text = explained(config, get("/a"));
  EXPECT_TRUE(says(text,
                   "10 requests per 1 s, token_bucket, burst 15: at most 15 at once, and what was "
                   "taken comes back at 10 per 1 s"));
  EXPECT_TRUE(says(text,
                   "1 request per 1500 ms, token_bucket: at most 1 at once, and what was taken "
                   "comes back at 1 per 1500 ms"));
  EXPECT_TRUE(says(text,
                   "it passes if all windows have room; if one has not, nothing is taken "
                   "from any"));
  EXPECT_TRUE(says(explained(config, get("/b")),
                   "10 requests per 60 s, sliding_window_counter: at most 20 in any 60 s, and in "
                   "the long run 10 per 60 s"));
  EXPECT_TRUE(says(explained(config, get("/c")),
                   "0 requests per 60 s, fixed_window: maintenance, everything is rejected"));
  text = explained(config, get("/d"));
  EXPECT_TRUE(says(text, "unlimited: nothing is counted"));
  EXPECT_TRUE(says(text, "it passes, and there are no fields: it is unlimited"));
}

TEST(Explain, SaysForWhomAtWhatCostAndWhetherOnlyForShow) {
  RateLimitConfig config = defaults();
  config.endpoints = {endpoint("login", "/login", limit_of(3))};
  config.endpoints[0].per = Per::address;
  config.endpoints[0].cost = 5;
  Request request = get("/login");
  request.client = "user:42";
  std::string text = explained(config, request);
  EXPECT_TRUE(says(text, "the caller names the client user:42; no step is asked"));
  EXPECT_TRUE(says(text, "cost 5"));
  EXPECT_TRUE(says(text, "counted for ip:203.0.113.7, whoever the client is (per = \"address\")"));
  EXPECT_TRUE(says(text,
                   "this cost can never pass: 429 cost_exceeds_limit, without a "
                   "Retry-After"));

  config.endpoints[0].per = Per::all;
  config.endpoints[0].shadow = true;
  request.cost = 2;
  text = explained(config, request);
  EXPECT_TRUE(says(text, "cost 2, as the caller says"));
  EXPECT_TRUE(says(text, "one count for everybody (per = \"all\")"));
  EXPECT_TRUE(says(text, "a shadow: it decides, counts and logs, and never rejects"));
  EXPECT_TRUE(says(text, "it passes, and there are no fields: shadows write none"));
}

TEST(Explain, TellsOfPenaltiesPreflightsAndTheFieldsOfTheDraft) {
  RateLimitConfig config = defaults();
  config.progressive_penalties.enabled = true;
  config.ietf_headers = true;
  const HeaderList headers(
      {{"Origin", "https://a.example"}, {"access-control-request-method", "GET"}});
  Request request = get("/x", &headers);
  request.method = "OPTIONS";
  const std::string text = explained(config, request);
  EXPECT_TRUE(says(text, "charged to preflight"));
  EXPECT_TRUE(says(text, "the default limit, whatever the tier"));
  EXPECT_TRUE(says(text,
                   "3 violations within 3600 s lock the client out of all rules for 1 x the "
                   "window"));
  EXPECT_TRUE(says(text, "RateLimit-Policy and RateLimit"));
}

TEST(Explain, SaysWhatBecameOfAToken) {
  RateLimitConfig config = defaults();
  config.tiers = {{.name = "gold", .limit = limit_of(500)}};
  config.exemptions = {{.type = ExemptionConfig::Type::user_id, .value = "7"}};
  config.client_identification.jwt.emplace().verify_signature = false;
  const auto policy = Policy::compile(config, HashKey{1, 2}).value();
  const auto explained_with = [&](std::string_view token) {
    const HeaderList headers({{"Authorization", "Bearer " + std::string(token)}});
    auto tokens = TokenVerifier::create({.config = config}, HashKey{1, 2}).value();
    const Identifier identifier(config.client_identification, HashKey{1, 2}, std::move(tokens));
    return explain(*policy, identifier, get("/x", token.empty() ? nullptr : &headers), kNow);
  };
  // {"alg":"HS256"} {"user_id":42,"tier":"gold"}
  std::string text =
      explained_with("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjo0MiwidGllciI6ImdvbGQifQ.AAAA");
  EXPECT_TRUE(says(text, "jwt: gives user:42, as the token is valid; it names the tier gold"));
  EXPECT_TRUE(says(text, "ip: not asked, as the client is known"));
  EXPECT_TRUE(says(text, "the user is not exempt"));
  EXPECT_TRUE(says(text, "gold, as the token says"));
  EXPECT_TRUE(says(text, "counted for user:42"));
  // {"user_id":7}
  text = explained_with("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjo3fQ.AAAA");
  EXPECT_TRUE(says(text, "the user is exempt"));
  EXPECT_TRUE(says(text, "so it is exempt"));
  text = explained_with("");
  EXPECT_TRUE(says(text,
                   "jwt: skipped, as there is no Authorization with the scheme Bearer "
                   "(missing)"));
  EXPECT_TRUE(says(text, "so it is ip:203.0.113.7"));
  text = explained_with("secret.secret.secret");
  EXPECT_TRUE(says(text,
                   "jwt: skipped, as what stands behind Bearer is no compact JWS of strict "
                   "base64url and JSON (malformed)"));
  EXPECT_EQ(text.find("secret"), std::string::npos) << text;
}

TEST(Explain, EscapesWhatARequestHolds) {
  const std::string text = explained(defaults(), get("/\x1b[31m\n\xff"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_TRUE(says(text, R"(/\u001b[31m\u000a\ufffd, as it stands)"));
}

TEST(Explain, SaysThatItIsSwitchedOff) {
  RateLimitConfig config = defaults();
  config.enabled = false;
  EXPECT_TRUE(says(explained(config, get("/x")),
                   "rate limiting is switched off (enabled = "
                   "false)"));
}

}  // namespace
}  // namespace tidegate
