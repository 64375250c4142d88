#include "observe/prometheus.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tidegate {
namespace {

Metrics some_metrics() {
  Metrics metrics;
  metrics.rows.push_back({.endpoint = "default",
                          .tier = "anonymous",
                          .requests = {100, 2, 0, 0, 0, 0},
                          .exceeded = {2}});
  metrics.warnings.push_back({"untrusted_proxy", 4});
  metrics.usage.push_back({"default", "anonymous", "ip:203.0.113.7", 98});
  metrics.entries = 5;
  metrics.capacity = 1'000'000;
  metrics.evictions = 6;
  metrics.overflow = 7;
  metrics.conflicts = 8;
  metrics.repairs = 9;
  return metrics;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Prometheus, WritesEachSample) {
  const std::string text = prometheus_text(some_metrics());
  for (
      const char* const line :
      {R"(rate_limit_requests_total{endpoint="default",tier="anonymous",status="allowed"} 100)",
       R"(rate_limit_requests_total{endpoint="default",tier="anonymous",status="denied"} 2)",
       R"(rate_limit_exceeded_total{endpoint="default",tier="anonymous",client_type="ip"} 2)",
       R"(rate_limit_current_usage{endpoint="default",tier="anonymous",client_id="ip:203.0.113.7"} 98)",
       R"(rate_limit_identity_warnings_total{reason="untrusted_proxy"} 4)",
       "rate_limit_store_entries 5", "rate_limit_store_capacity 1000000",
       "rate_limit_store_evictions_total 6", "rate_limit_store_overflow_total 7",
       "rate_limit_store_conflicts_total 8", "rate_limit_store_repairs_total 9",
       "rate_limit_breaker_state 0", "rate_limit_config_generation 1"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\nnot in\n" << text;
  }
}

TEST(Prometheus, LeavesOutWhatHasNotHappened) {
  EXPECT_EQ(prometheus_text(some_metrics()).find("failed_open"), std::string::npos);
}

TEST(Prometheus, WritesEachFamilyOnceWithItsTypeBeforeItsSamples) {
  std::istringstream lines(prometheus_text(some_metrics()));
  const std::regex sample(
      R"(([a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? \d+)");
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
      EXPECT_EQ(parts[1], family) << line;
    }
  }
  EXPECT_EQ(typed.size(), 12U);
}

TEST(Prometheus, EscapesLabels) {
  Metrics metrics;
  metrics.usage.push_back({"a\"b\\c", "t", std::string("user:\n\xff\0x", 9), 1});
  EXPECT_NE(
      prometheus_text(metrics).find(R"({endpoint="a\"b\\c",tier="t",client_id="user:???x"} 1)"),
      std::string::npos)
      << prometheus_text(metrics);
}

}  // namespace
}  // namespace tidegate
