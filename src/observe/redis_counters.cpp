#include "observe/redis_counters.hpp"

#include <algorithm>
#include <string>

namespace tidegate {
namespace {

std::size_t number_of(redis::Operation operation) { return static_cast<std::size_t>(operation); }

}  // namespace

void RedisCounters::count_exchange(redis::Operation operation, Micros latency_us) {
  Shared::Latency& latency = shared_.latencies[number_of(operation)];
  const auto bucket = std::ranges::lower_bound(kBounds_us, latency_us) - kBounds_us.begin();
  latency.counts[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  latency.sum_us.fetch_add(latency_us, std::memory_order_relaxed);
  if (operation == redis::Operation::check) {
    shared_.last_check_us.store(latency_us, std::memory_order_relaxed);
  }
}

void RedisCounters::count_error(redis::Operation operation, redis::ErrorType type) {
  shared_.errors[number_of(operation)][static_cast<std::size_t>(type)].fetch_add(
      1, std::memory_order_relaxed);
}

std::vector<Status::Latency> RedisCounters::latencies() const {
  std::vector<Status::Latency> all;
  for (std::size_t i = 0; i < redis::kOperations; ++i) {
    const Shared::Latency& shared = shared_.latencies[i];
    Status::Latency latency{.operation = std::string(to_string(static_cast<redis::Operation>(i)))};
    for (std::size_t bucket = 0; bucket <= kBounds_us.size(); ++bucket) {
      latency.count += shared.counts[bucket].load(std::memory_order_relaxed);
      if (bucket < kBounds_us.size())
        latency.buckets.push_back({kBounds_us[bucket], latency.count});
    }
    latency.sum_us = shared.sum_us.load(std::memory_order_relaxed);
    if (latency.count != 0) all.push_back(std::move(latency));
  }
  return all;
}

std::vector<Status::RedisErrors> RedisCounters::errors() const {
  std::vector<Status::RedisErrors> all;
  for (std::size_t i = 0; i < redis::kOperations; ++i) {
    for (std::size_t type = 0; type < redis::kErrorTypes; ++type) {
      const std::uint64_t count = shared_.errors[i][type].load(std::memory_order_relaxed);
      if (count == 0) continue;
      all.push_back({.operation = std::string(to_string(static_cast<redis::Operation>(i))),
                     .type = std::string(to_string(static_cast<redis::ErrorType>(type))),
                     .count = count});
    }
  }
  return all;
}

}  // namespace tidegate
