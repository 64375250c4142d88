// An engine on private memory, and short ways to write its configuration.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.hpp"

namespace tidegate {

inline constexpr Micros kNow = 1'800'000'000'000'000;

inline LimitConfig limit_of(std::uint64_t limit,
                            std::chrono::microseconds window = std::chrono::seconds(60)) {
  return {.algorithm = Algorithm::fixed_window, .windows = {{.limit = limit, .window = window}}};
}

/// An engine on a table of its own.
class Bench {
 public:
  explicit Bench(const RateLimitConfig& config, std::shared_ptr<TokenVerifier> tokens = nullptr) {
    const StoreGeometry geometry{.capacity = 1'000, .log_slots = 1'000};
    memory_.resize(MemoryStore::bytes_needed(geometry) + kPage);
    void* start = memory_.data();
    std::size_t space = memory_.size();
    std::align(kPage, MemoryStore::bytes_needed(geometry), start, space);
    const std::span bytes{static_cast<std::byte*>(start), MemoryStore::bytes_needed(geometry)};
    MemoryStore::format(bytes, geometry);
    store_ = MemoryStore::attach(bytes, geometry).value();
    auto policy = Policy::compile(config, HashKey{1, 2}).value();
    EXPECT_TRUE(store_->bind(policy->counters_to_bind(), 0, true).has_value());
    engine_ = std::make_unique<Engine>(std::move(policy), *store_, std::move(tokens));
  }

  Decision decide(Request request, Micros now_us = kNow) const {
    if (!request.peer) request.peer = IpAddress::parse("203.0.113.7");
    Decision decision;
    engine_->decide(request, now_us, decision);
    return decision;
  }
  const Engine& engine() const { return *engine_; }

 private:
  static constexpr std::size_t kPage = 4096;
  std::vector<std::byte> memory_;
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<Engine> engine_;
};

inline EndpointConfig endpoint(std::string name, std::string pattern, LimitConfig limit) {
  EndpointConfig config;
  config.name = std::move(name);
  config.pattern = std::move(pattern);
  config.limit = std::move(limit);
  return config;
}

}  // namespace tidegate
