#include "observe/status_json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate {
namespace {

std::string json_of(const Status& status) {
  std::string out;
  append_status_json(status, out);
  return out;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(StatusJson, WritesEveryMember) {
  const Status status{.version = "1.2.3",
                      .time_us = 5,
                      .started_us = 4,
                      .health = "degraded",
                      .backend = "memory",
                      .breaker = "open",
                      .failure_mode = "local",
                      .reloads = {.generation = 3,
                                  .succeeded = 2,
                                  .failed = 1,
                                  .last_error = "no \"such\" key",
                                  .last_error_us = 9},
                      .store = {.entries = 1,
                                .capacity = 2,
                                .evictions = 3,
                                .overflow = 4,
                                .conflicts = 5,
                                .repairs = 6},
                      .totals = {{"search", "premium", {10, 11, 12, 13, 14, 15}, {7, 8, 9}},
                                 {"default", "anonymous", {}, {}}},
                      .busiest = {{"search", "premium", "user:42", 19, 20}},
                      .tokens = {{"valid", 1}, {"expired", 2}},
                      .identity_warnings = {{"untrusted_proxy", 3}},
                      .redis_latencies = {{"check", {{100, 1}}, 2, 300}},
                      .redis_errors = {{"connect", "refused", 4}},
                      .admin_denied = 21,
                      .log_lines_lost = 22,
                      .warnings = {"one", "two"}};
  EXPECT_EQ(
      json_of(status),
      R"({"version":"1.2.3","time_us":5,"started_us":4,"health":"degraded","backend":"memory",)"
      R"("breaker":"open","failure_mode":"local","reload":{"generation":3,"ok":2,"failed":1,)"
      R"("last_error":"no \"such\" key","last_error_us":9},"store":{"entries":1,"capacity":2,)"
      R"("evictions":3,"overflow":4,"conflicts":5,"repairs":6},"redis":{"latency":{"check":{"count":2,"sum_us":300}},)"
      R"("errors":[{"operation":"connect","type":"refused","count":4}]},"totals":[{"endpoint":"search",)"
      R"("tier":"premium","requests":{"allowed":10,"denied":11,"exempt":12,"failed_open":13,)"
      R"("failed_closed":14,"shadow":15},"exceeded":{"ip":7,"user":8,"key":9}},)"
      R"({"endpoint":"default","tier":"anonymous","requests":{"allowed":0,"denied":0,"exempt":0,)"
      R"("failed_open":0,"failed_closed":0,"shadow":0},"exceeded":{"ip":0,"user":0,"key":0}}],)"
      R"("busiest":[{"endpoint":"search","tier":"premium","client":"user:42","used":19,)"
      R"("limit":20}],"tokens":{"valid":1,"expired":2},)"
      R"("identity_warnings":{"untrusted_proxy":3},"admin_denied":21,"log_lines_lost":22,)"
      R"("warnings":["one","two"]})");
}

TEST(StatusJson, HasNullWithoutAFailedReload) {
  EXPECT_TRUE(has(json_of({}), R"("last_error":null,"last_error_us":null)"));
}

TEST(StatusJson, EscapesWhateverBytesAClientSent) {
  Status status;
  status.busiest.push_back(
      {"default", "anonymous", std::string("user:\"\\\n\x1b\xff\0<", 12), 1, 2});
  EXPECT_TRUE(has(json_of(status), R"("client":"user:\"\\\u000a\u001b\ufffd\u0000<")"))
      << json_of(status);
}

}  // namespace
}  // namespace tidegate
