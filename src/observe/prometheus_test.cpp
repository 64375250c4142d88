#include "observe/prometheus.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tidegate {
namespace {

Status some_status() {
  Status status;
  status.totals.push_back({.endpoint = "default",
                           .tier = "anonymous",
                           .requests = {100, 2, 0, 0, 0, 0},
                           .exceeded = {2}});
  status.identity_warnings.push_back({"untrusted_proxy", 4});
  status.busiest.push_back({"default", "anonymous", "ip:203.0.113.7", 98, 100});
  status.tokens.push_back({"expired", 3});
  status.store = {.entries = 5,
                  .capacity = 1'000'000,
                  .evictions = 6,
                  .overflow = 7,
                  .conflicts = 8,
                  .repairs = 9};
  status.breaker = "half-open";
  status.reloads = {.generation = 4, .succeeded = 3, .failed = 2};
  status.redis_latencies.push_back({"check", {{250, 3}, {1'000, 4}}, 5, 2'500'000});
  status.redis_errors.push_back({"connect", "refused", 6});
  status.admin_denied = 10;
  status.log_lines_lost = 11;
  return status;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Prometheus, WritesEachSample) {
  const std::string text = prometheus_text(some_status());
  for (
      const char* const line :
      {R"(rate_limit_requests_total{endpoint="default",tier="anonymous",status="allowed"} 100)",
       R"(rate_limit_requests_total{endpoint="default",tier="anonymous",status="denied"} 2)",
       R"(rate_limit_exceeded_total{endpoint="default",tier="anonymous",client_type="ip"} 2)",
       R"(rate_limit_current_usage{endpoint="default",tier="anonymous",client_id="ip:203.0.113.7"} 98)",
       R"(rate_limit_identity_warnings_total{reason="untrusted_proxy"} 4)",
       "rate_limit_store_entries 5",
       "rate_limit_store_capacity 1000000",
       "rate_limit_store_evictions_total 6",
       "rate_limit_store_overflow_total 7",
       "rate_limit_store_conflicts_total 8",
       "rate_limit_store_repairs_total 9",
       R"(rate_limit_tokens_total{verdict="expired"} 3)",
       "rate_limit_breaker_state 1",
       R"(rate_limit_redis_latency_seconds_bucket{operation="check",le="0.00025"} 3)",
       R"(rate_limit_redis_latency_seconds_bucket{operation="check",le="0.001"} 4)",
       R"(rate_limit_redis_latency_seconds_bucket{operation="check",le="+Inf"} 5)",
       R"(rate_limit_redis_latency_seconds_sum{operation="check"} 2.5)",
       R"(rate_limit_redis_latency_seconds_count{operation="check"} 5)",
       R"(rate_limit_redis_errors_total{operation="connect",error_type="refused"} 6)",
       "rate_limit_config_generation 4",
       R"(rate_limit_reloads_total{result="ok"} 3)",
       R"(rate_limit_reloads_total{result="failed"} 2)",
       "rate_limit_admin_denied_total 10",
       "rate_limit_log_lines_lost_total 11"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\nnot in\n" << text;
  }
}

TEST(Prometheus, LeavesOutWhatHasNotHappened) {
  EXPECT_EQ(prometheus_text(some_status()).find("failed_open"), std::string::npos);
}

TEST(Prometheus, WritesEachFamilyOnceWithItsTypeBeforeItsSamples) {
  std::istringstream lines(prometheus_text(some_status()));
  const std::regex sample(
      R"(([a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? \d+(\.\d+)?)");
  std::set<std::string> typed;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::smatch parts;
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(typed.insert(family).second) << family << " twice";
      EXPECT_EQ(family.ends_with("_total"), line.ends_with(" counter")) << line;
    } else if (!line.starts_with("# HELP ")) {
      ASSERT_TRUE(std::regex_match(line, parts, sample)) << line;
      const std::regex of_histogram(family + "_(bucket|sum|count)");
      const std::string name = parts[1];
      EXPECT_TRUE(name == family || std::regex_match(name, of_histogram)) << line;
    }
  }
  EXPECT_EQ(typed.size(), 18U);
}

TEST(Prometheus, EscapesLabels) {
  Status status;
  status.busiest.push_back({"a\"b\\c", "t", std::string("user:\n\xff\0x\x7f", 10), 1, 2});
  status.busiest.push_back({"d", "t", "user:\xc3\xa9 \xc3", 1, 2});
  const std::string text = prometheus_text(status);
  EXPECT_NE(text.find(R"({endpoint="a\"b\\c",tier="t",client_id="user:\\x0a\\xff\\x00x\\x7f"} 1)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("client_id=\"user:\xc3\xa9 \\\\xc3\"} 1"), std::string::npos) << text;
}

}  // namespace
}  // namespace tidegate
