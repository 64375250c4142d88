// What a scrape costs the worker that answers it, in processor time: 100 rules, 100 named clients,
// and the default table half full.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::bench {
namespace {

constexpr std::size_t kRules = 100;
constexpr std::size_t kClients = 500'000;
constexpr std::size_t kBusy = 150;
constexpr int kRounds = 51;

std::unique_ptr<Limiter> open() {
  LoadedConfig loaded;
  loaded.config.memory.segment.clear();
  loaded.config.log = "/dev/null";
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    EndpointConfig& endpoint = loaded.config.endpoints.emplace_back();
    endpoint.name = fmt::format("rule-{:03}", rule);
    endpoint.pattern = fmt::format("/api/v1/resource-{:03}/*", rule);
    endpoint.limit = {Algorithm::fixed_window,
                      {{.limit = 10'000, .window = std::chrono::hours(1), .burst = {}}}};
  }
  auto limiter = Limiter::open(loaded);
  if (!limiter) fail(limiter.error().message);
  return std::move(*limiter);
}

void ask(Limiter& limiter, std::size_t client, Decision& decision) {
  limiter.decide({.peer = IpAddress::v4({10, static_cast<std::uint8_t>(client >> 16),
                                         static_cast<std::uint8_t>(client >> 8),
                                         static_cast<std::uint8_t>(client)}),
                  .method = "GET",
                  .target = fmt::format("/api/v1/resource-{:03}/x", client % kRules)},
                 decision);
  expect_all_admitted(decision.admitted() ? 1 : 0, 1);
}

void measure_scrape() {
  const auto limiter = open();
  Decision decision;
  for (std::size_t client = 0; client < kClients; ++client) ask(*limiter, client, decision);
  for (int times = 0; times < 100; ++times) {
    for (std::size_t client = 0; client < kBusy; ++client) ask(*limiter, client, decision);
  }

  std::string text;
  const double first = cpu_us_of([&] { text = limiter->metrics(); });
  std::vector<double> scrapes;
  for (int i = 0; i < kRounds; ++i)
    scrapes.push_back(cpu_us_of([&] { text = limiter->metrics(); }));
  std::vector<double> refreshes;
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    refreshes.push_back(cpu_us_of([&] { limiter->refresh(); }));
  }
  std::vector<double> statuses;
  for (int i = 0; i < kRounds; ++i) {
    statuses.push_back(cpu_us_of([&] { text = limiter->status_json(); }));
  }
  const auto status = limiter->status();
  fmt::print(
      "{{\"rules\": {}, \"busiest\": {}, \"entries\": {}, \"first_us\": {:.0f}, \"scrape_us\": "
      "{:.0f}, "
      "\"longest_us\": {:.0f}, \"refresh_us\": {:.0f}, \"status_us\": {:.0f}}}\n",
      status.totals.size(), status.busiest.size(), status.store.entries, first, median(scrapes),
      *std::ranges::max_element(scrapes), *std::ranges::max_element(refreshes), median(statuses));
}

}  // namespace
}  // namespace tidegate::bench

int main() {
  tidegate::bench::measure_scrape();
  return 0;
}
