// What the benchmarks of Redis ask: checks of many clients, as a server under load collects them.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "store/redis/checks.hpp"

namespace tidegate::bench {

inline constexpr std::size_t kClients = 10'000;

inline const redis::CheckCodec& codec() {
  static const redis::CheckCodec codec{redis::KeyNames("ratelimit", "bench")};
  return codec;
}

inline Counter counter_of(Algorithm algorithm, std::chrono::seconds window) {
  Counter counter;
  counter.window = make_window(algorithm, {.limit = 100, .window = window, .burst = {}});
  counter.rule_name = "default";
  return counter;
}

/// Checks of `batch` clients from the first on, each with these windows, in one call.
inline redis::Call call_of(std::size_t first, std::size_t batch,
                           std::span<const Counter> counters) {
  std::vector<std::vector<Charge>> charges(batch);
  std::vector<Check> checks;
  for (std::size_t i = 0; i < batch; ++i) {
    const Hash128 client{(first + i) % kClients, 7};
    for (const Counter& counter : counters) charges[i].push_back({&counter, client, 1});
    checks.push_back({.charges = charges[i],
                      .enforced = charges[i].size(),
                      .penalties = nullptr,
                      .client = client});
  }
  return codec().encode(checks);
}

}  // namespace tidegate::bench
