#include "adapters/asio/load.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "apps/tidegate/commands.hpp"

namespace tidegate::command {
namespace {

double ms(std::uint32_t us) { return static_cast<double>(us) / 1'000; }

void print_json(const LoadResult& result) {
  fmt::print(R"({{"admitted":{},"refused":{},"unavailable":{},"errors":{},"seconds":{:.3f},)"
             R"("p50_ms":{:.3f},"p95_ms":{:.3f},"p99_ms":{:.3f},"max_ms":{:.3f}}})"
             "\n",
             result.admitted, result.refused, result.unavailable, result.errors,
             static_cast<double>(result.took.count()) / 1e6, ms(result.quantile_us(0.5)),
             ms(result.quantile_us(0.95)), ms(result.quantile_us(0.99)), ms(result.quantile_us(1)));
}

void print_text(const LoadResult& result) {
  const double seconds = static_cast<double>(result.took.count()) / 1e6;
  const std::size_t answered = result.latencies_us.size();
  fmt::print("answered    {} in {:.2f} s, {:.0f}/s\n", answered, seconds,
             seconds > 0 ? static_cast<double>(answered) / seconds : 0);
  fmt::print("admitted    {}\nrefused     {}  (429)\nunavailable {}  (503)\nerrors      {}{}{}\n",
             result.admitted, result.refused, result.unavailable, result.errors,
             result.errors == 0 ? "" : "  ", result.first_error);
  const auto line = [](const char* name, std::uint32_t us, double target_ms) {
    if (target_ms == 0) {
      fmt::print("{}         {:.3f} ms\n", name, ms(us));
    } else {
      fmt::print("{}         {:.3f} ms  (wanted: below {:.0f} ms; {})\n", name, ms(us), target_ms,
                 ms(us) < target_ms ? "met" : "missed");
    }
  };
  line("P50", result.quantile_us(0.5), 0);
  line("P95", result.quantile_us(0.95), 5);
  line("P99", result.quantile_us(0.99), 10);
  line("max", result.quantile_us(1), 0);
}

}  // namespace

int load(const LoadOptions& options, const LoadReport& report) {
  const auto result = tidegate::load(options);
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    return kNo;
  }
  if (report.json) {
    print_json(*result);
  } else {
    print_text(*result);
  }
  if (!report.expect_admitted || result->admitted == *report.expect_admitted) return kFine;
  fmt::print(stderr, "admitted {}, expected {}\n", result->admitted, *report.expect_admitted);
  return kNo;
}

}  // namespace tidegate::command
