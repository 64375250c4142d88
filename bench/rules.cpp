// What a decision of the whole engine costs with few and with many rules, for random paths of
// theirs. There are as many pairs of a client and a rule either way, so that the table is as large.
#include <fmt/format.h>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/posix/generation.hpp"
#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "tidegate/client.hpp"

namespace tidegate::bench {
namespace {

constexpr int kRounds = 5;
constexpr std::size_t kPairs = 100'000;
constexpr std::array<std::size_t, 2> kRules = {10, 1'000};

struct Asked {
  std::string target;
  IpAddress address;
};

/// Rules of three shapes in turn: a literal path, one segment free, all below.
std::string pattern(std::size_t rule) {
  constexpr std::array kShapes = {"/api/v1/resource-{:04}/list", "/api/v1/resource-{:04}/*/detail",
                                  "/files/resource-{:04}/**"};
  return fmt::format(fmt::runtime(kShapes[rule % kShapes.size()]), rule);
}

std::string target(std::size_t rule, std::uint64_t item) {
  constexpr std::array kShapes = {"/api/v1/resource-{:04}/list?page={}",
                                  "/api/v1/resource-{:04}/item-{}/detail",
                                  "/files/resource-{:04}/2026/{}.pdf"};
  return fmt::format(fmt::runtime(kShapes[rule % kShapes.size()]), rule, item);
}

posix::Opened open(std::size_t rules) {
  const LimitConfig limit{Algorithm::token_bucket,
                          {{.limit = 1'000'000, .window = std::chrono::seconds(1), .burst = {}}}};
  RateLimitConfig config;
  config.memory.segment.clear();
  for (std::size_t rule = 0; rule < rules; ++rule) {
    EndpointConfig& endpoint = config.endpoints.emplace_back();
    endpoint.pattern = pattern(rule);
    endpoint.name = endpoint.pattern;
    endpoint.limit = limit;
  }
  auto opened = posix::open_and_put_in_force({.config = config});
  if (!opened) fail(opened.error().message);
  return std::move(*opened);
}

std::vector<Asked> requests(std::size_t rules, std::size_t calls) {
  std::mt19937_64 random(42);
  std::uniform_int_distribution<std::size_t> rule(0, rules - 1);
  std::uniform_int_distribution<std::size_t> client(0, kPairs / rules - 1);
  std::uniform_int_distribution<std::uint64_t> item(0, 999'999);
  std::vector<Asked> asked;
  asked.reserve(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    const std::size_t who = client(random);
    asked.push_back({target(rule(random), item(random)),
                     *IpAddress::parse(fmt::format("10.0.{}.{}", who / 256, who % 256))});
  }
  return asked;
}

double ns(const Engine& engine, const std::vector<Asked>& asked, Micros now) {
  Decision decision;
  std::size_t admitted = 0;
  const double spent = nanoseconds_of([&] {
    for (const Asked& each : asked) {
      engine.decide({.peer = each.address, .method = "GET", .target = each.target}, now, decision);
      admitted += decision.outcome == Outcome::allowed && decision.endpoint != "default" ? 1 : 0;
    }
  });
  expect_all_admitted(admitted, asked.size());
  return spent / static_cast<double>(asked.size());
}

void compare(std::size_t calls) {
  std::vector<posix::Opened> engines;
  std::vector<std::vector<Asked>> asked;
  for (const std::size_t rules : kRules) {
    engines.push_back(open(rules));
    asked.push_back(requests(rules, calls));
  }
  std::array<std::vector<double>, kRules.size()> rounds;
  Micros now = 1'800'000'000'000'000;
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kRules.size(); ++i) {
      rounds[i].push_back(ns(*engines[i].generation->engine, asked[i], now += 60'000'000));
    }
  }
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    fmt::print("{{\"rules\": {}, \"ns\": {:.2f}}}\n", kRules[i], median(rounds[i]));
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  tidegate::bench::compare(quick ? 100'000 : 1'000'000);
  return 0;
}
