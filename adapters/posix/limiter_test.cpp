#include "tidegate/limiter.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "adapters/posix/test_segments.hpp"

namespace tidegate {
namespace {

class LimiterTest : public posix::SegmentFixture {
 protected:
  LimiterTest() {
    config_.default_limit.windows.front().limit = 5;
    config_.log = testing::TempDir() + "tidegate-limiter-" + std::to_string(::getpid());
  }
  void TearDown() override {
    SegmentFixture::TearDown();
    std::remove(config_.log.c_str());
    std::remove((config_.log + ".1").c_str());
  }

  std::unique_ptr<Limiter> open() {
    auto limiter = Limiter::open({.config = config_, .warnings = {}, .file = ""});
    EXPECT_TRUE(limiter) << limiter.error().message;
    return std::move(*limiter);
  }
  static bool admits(Limiter& limiter, const char* peer = "203.0.113.7") {
    Decision decision;
    limiter.decide({.peer = IpAddress::parse(peer), .method = "GET", .target = "/x"}, decision);
    return decision.admitted();
  }
  static std::vector<std::string> lines(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(LimiterTest, CountsTogetherWithAllWhoShareTheSegment) {
  const auto one = open();
  const auto other = open();
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += admits(i % 2 == 0 ? *one : *other) ? 1 : 0;
  EXPECT_EQ(admitted, 5);
  for (const Limiter* limiter : {one.get(), other.get()}) {
    const std::string metrics = limiter->metrics();
    EXPECT_TRUE(has(metrics, R"(tier="anonymous",status="allowed"} 5)")) << metrics;
    EXPECT_TRUE(has(metrics, R"(tier="anonymous",status="denied"} 5)")) << metrics;
    EXPECT_TRUE(has(metrics, R"(client_type="ip"} 5)")) << metrics;
  }
}

TEST_F(LimiterTest, LooksAndForgetsForAllWhoShareTheSegment) {
  const auto one = open();
  const auto other = open();
  for (int i = 0; i < 6; ++i) admits(*one);
  for (int i = 0; i < 2; ++i) admits(*one, "203.0.113.8");
  const auto left = [&](const char* client) {
    return other->peek(client, "default").value()[0].remaining;
  };
  EXPECT_EQ(left("ip:203.0.113.7"), 0U);
  EXPECT_EQ(left("ip:203.0.113.8"), 3U);
  EXPECT_EQ(other->reset("ip:203.0.113.7").value(), 1U);
  EXPECT_TRUE(admits(*one));
  EXPECT_EQ(left("ip:203.0.113.7"), 4U);

  EXPECT_TRUE(one->reset_rule("default").value());
  EXPECT_EQ(left("ip:203.0.113.7"), 5U);
  EXPECT_EQ(left("ip:203.0.113.8"), 5U);
  EXPECT_FALSE(one->reset_rule("nothing").value());
  EXPECT_TRUE(other->peek("ip:203.0.113.7", "nothing")->empty());
}

TEST_F(LimiterTest, CountsAndLogsWhatAShadowWouldHaveDone) {
  config_.shadow = true;
  const auto limiter = open();
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(admits(*limiter));
  EXPECT_TRUE(has(limiter->metrics(), R"(status="shadow"} 2)")) << limiter->metrics();
  const auto logged = lines(config_.log);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_TRUE(has(logged[0], R"("status":"shadow")")) << logged[0];
}

TEST_F(LimiterTest, GoesOnInTheChildrenOfItsProcess) {
  const auto limiter = open();
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(in_child([&] {
      limiter->after_fork();
      int admitted = 0;
      for (int j = 0; j < 4; ++j) admitted += admits(*limiter) ? 1 : 0;
      return admitted;
    }));
  }
  int admitted = 0;
  for (const pid_t child : children) admitted += result_of(child);
  EXPECT_EQ(admitted, 5);
  EXPECT_TRUE(has(limiter->metrics(), R"(status="denied"} 7)"));
}

TEST_F(LimiterTest, ForgetsNothingWhenItsProcessIsKilled) {
  const pid_t child = in_child([&] {
    const auto limiter = open();
    for (int i = 0; i < 3; ++i) admits(*limiter);
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_EQ(result_of(child), -SIGKILL);
  const auto limiter = open();
  EXPECT_TRUE(admits(*limiter));
  EXPECT_TRUE(admits(*limiter));
  EXPECT_FALSE(admits(*limiter));
  EXPECT_TRUE(has(limiter->metrics(), R"(status="allowed"} 5)"));
}

TEST_F(LimiterTest, LogsOneLineForManyRejections) {
  const auto limiter = open();
  for (int i = 0; i < 50; ++i) admits(*limiter);
  admits(*limiter, "203.0.113.8");
  const auto logged = lines(config_.log);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_TRUE(has(logged[0], R"("client_id":"ip:203.0.113.7")"));
  EXPECT_TRUE(has(logged[0], R"("status":"denied")"));
}

TEST_F(LimiterTest, LogsAllowedChecksOnlyAtDebug) {
  config_.log_level = LogLevel::debug;
  const auto limiter = open();
  for (int i = 0; i < 3; ++i) admits(*limiter);
  const auto logged = lines(config_.log);
  ASSERT_EQ(logged.size(), 3U);
  EXPECT_TRUE(has(logged[0], R"("level":"debug")"));
  EXPECT_TRUE(has(logged[2], R"("current_count":3)"));
}

TEST_F(LimiterTest, LogsNothingBelowItsLevel) {
  config_.log_level = LogLevel::error;
  const auto limiter = open();
  for (int i = 0; i < 10; ++i) admits(*limiter);
  limiter->log_event("worker_replaced", "for a test");
  EXPECT_TRUE(lines(config_.log).empty());
}

TEST_F(LimiterTest, GoesOnInANewFileAfterRotation) {
  const auto limiter = open();
  limiter->log_event("one", "before");
  ASSERT_EQ(std::rename(config_.log.c_str(), (config_.log + ".1").c_str()), 0);
  limiter->reopen_log();
  limiter->log_event("two", "after");
  EXPECT_EQ(lines(config_.log + ".1").size(), 1U);
  ASSERT_EQ(lines(config_.log).size(), 1U);
  EXPECT_TRUE(has(lines(config_.log)[0], R"("event":"two","message":"after")"));
}

TEST_F(LimiterTest, DecidesThoughTheDiskOfItsLogIsFull) {
  std::remove(config_.log.c_str());
  config_.log = "/dev/full";
  const auto limiter = open();
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += admits(*limiter) ? 1 : 0;
  EXPECT_EQ(admitted, 5);
  config_.log = testing::TempDir() + "unused";
}

TEST_F(LimiterTest, LogsShortLinesOfTextWhateverClientsSend) {
  config_.default_limit.windows.front().limit = 0;
  const auto limiter = open();
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  std::string long_text;
  while (long_text.size() < std::size_t{64} << 10) long_text += every_byte;
  for (const std::string& text : {every_byte, long_text}) {
    Decision decision;
    limiter->decide({.peer = IpAddress::parse("203.0.113.7"),
                     .method = text,
                     .target = "/" + text,
                     .client = text,
                     .tier = text},
                    decision);
  }
  const auto logged = lines(config_.log);
  ASSERT_EQ(logged.size(), 2U);
  for (const std::string& line : logged) {
    EXPECT_LT(line.size(), 1'024U);
    EXPECT_TRUE(std::ranges::all_of(line, [](char c) { return c >= ' ' && c < 0x7f; })) << line;
  }
}

TEST_F(LimiterTest, SaysWhyALogCannotBeOpened) {
  config_.log = "/nowhere/at/all.log";
  const auto limiter = Limiter::open({.config = config_, .warnings = {}, .file = ""});
  ASSERT_FALSE(limiter);
  EXPECT_TRUE(has(limiter.error().message, "/nowhere/at/all.log"));
  EXPECT_FALSE(exists()) << "a program that does not start leaves no segment";
}

TEST_F(LimiterTest, RepeatsAPlainRequestIdAndMakesOneElse) {
  class Headers final : public HeaderLines {
   public:
    explicit Headers(std::string_view id) : id_(id) {}
    void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
      if (name == "X-Request-ID") use(id_);
    }

   private:
    std::string_view id_;
  };
  config_.log_level = LogLevel::debug;
  const auto limiter = open();
  Decision decision;
  for (const std::string_view id : {"abc-123", "two words"}) {
    const Headers headers(id);
    limiter->decide({.peer = IpAddress::parse("203.0.113.7"),
                     .method = "GET",
                     .target = "/x",
                     .headers = &headers},
                    decision);
  }
  const auto logged = lines(config_.log);
  ASSERT_EQ(logged.size(), 2U);
  EXPECT_TRUE(has(logged[0], R"("request_id":"abc-123")"));
  EXPECT_FALSE(has(logged[1], "two words"));
}

TEST_F(LimiterTest, NamesTheBusiestClientsAsFarAsIsWanted) {
  config_.top_clients = 2;
  const auto limiter = open();
  for (int i = 0; i < 3; ++i) admits(*limiter, "203.0.113.3");
  for (int i = 0; i < 2; ++i) admits(*limiter, "203.0.113.2");
  admits(*limiter, "203.0.113.1");
  const std::string metrics = limiter->metrics();
  EXPECT_TRUE(has(metrics, R"(client_id="ip:203.0.113.3"} 3)")) << metrics;
  EXPECT_TRUE(has(metrics, R"(client_id="ip:203.0.113.2"} 2)")) << metrics;
  EXPECT_FALSE(has(metrics, "203.0.113.1")) << metrics;
}

TEST_F(LimiterTest, NamesTheAddressWhereARuleCountsAddresses) {
  EndpointConfig login;
  login.name = "login";
  login.pattern = "/login";
  login.per = Per::address;
  login.limit.windows = {{.limit = 5}};
  config_.endpoints.push_back(login);
  const auto limiter = open();
  Decision decision;
  for (int i = 0; i < 3; ++i) {
    limiter->decide({.peer = IpAddress::parse("203.0.113.7"),
                     .method = "POST",
                     .target = "/login",
                     .client = "user:42"},
                    decision);
  }
  EXPECT_TRUE(
      has(limiter->metrics(), R"(endpoint="login",tier="anonymous",client_id="ip:203.0.113.7"} 3)"))
      << limiter->metrics();
}

TEST_F(LimiterTest, NamesNobodyWhereThatIsSwitchedOff) {
  config_.top_clients = 0;
  const auto limiter = open();
  admits(*limiter);
  EXPECT_FALSE(has(limiter->metrics(), "203.0.113.7"));
}

TEST_F(LimiterTest, CountsDoubtsAndLogsTheFirst) {
  const auto limiter = open();
  for (int i = 0; i < 3; ++i) limiter->warn_identity("untrusted_proxy", "everybody is one client");
  EXPECT_TRUE(
      has(limiter->metrics(), R"(rate_limit_identity_warnings_total{reason="untrusted_proxy"} 3)"));
  EXPECT_EQ(lines(config_.log).size(), 1U);
}

TEST_F(LimiterTest, IsHealthyAndSaysHowLongALookTakes) {
  const auto limiter = open();
  const Health health = limiter->health();
  EXPECT_EQ(health.status, "ok");
  EXPECT_EQ(health.backend, "memory");
  EXPECT_EQ(health.breaker, "closed");
  EXPECT_GT(health.latency_ms, 0);
}

TEST_F(LimiterTest, LetsEverythingPassWhereSwitchedOff) {
  config_.enabled = false;
  const auto limiter = open();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(admits(*limiter));
  EXPECT_FALSE(has(limiter->metrics(), "rate_limit_requests_total{"));
}

TEST_F(LimiterTest, MayBeUsedByManyThreads) {
  config_.default_limit.windows.front().limit = 100;
  const auto limiter = open();
  std::atomic<int> admitted = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) admitted += admits(*limiter) ? 1 : 0;
        static_cast<void>(limiter->metrics());
      });
    }
  }
  EXPECT_EQ(admitted, 100);
  EXPECT_TRUE(has(limiter->metrics(), R"(status="allowed"} 100)"));
}

}  // namespace
}  // namespace tidegate
