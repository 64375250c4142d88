// A store on private memory, with counters of a test's choice.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "store/memory/layout.hpp"
#include "store/memory/store.hpp"

namespace tidegate {

inline constexpr Ticks kSecond = Ticks{1'000'000} * kTicksPerMicro;
inline constexpr Ticks kNoon = Ticks{1'800'000'000} * kSecond;

struct TestStore {
  struct Rule {
    Algorithm algorithm = Algorithm::token_bucket;
    std::uint64_t limit = 1;
    std::chrono::microseconds window = std::chrono::seconds(1);
  };

  explicit TestStore(const std::vector<Rule>& rules,
                     StoreGeometry its_geometry = {.capacity = 1'000, .log_slots = 10'000})
      : geometry(its_geometry),
        memory(static_cast<std::byte*>(
                   ::operator new(MemoryStore::bytes_needed(geometry), std::align_val_t{kPage})),
               MemoryStore::bytes_needed(geometry)) {
    std::memset(memory.data(), 0, memory.size());
    MemoryStore::format(memory, geometry);
    for (const Rule& rule : rules) {
      Counter& counter = counters.emplace_back();
      counter.window =
          make_window(rule.algorithm, {.limit = rule.limit, .window = rule.window, .burst = {}});
      counter.key = siphash128({7, 7}, std::to_string(counters.size()));
      counter.place = static_cast<std::uint8_t>(counters.size() - 1);
      counter.overflow_count = 4;
      if (rule.algorithm == Algorithm::sliding_window) {
        counter.ring_slots = static_cast<std::uint32_t>(rule.limit);
      }
    }
    store = attach();
  }
  TestStore(const TestStore&) = delete;
  TestStore& operator=(const TestStore&) = delete;
  ~TestStore() { ::operator delete(memory.data(), std::align_val_t{kPage}); }

  [[nodiscard]] std::unique_ptr<MemoryStore> attach_only() const {
    auto attached = MemoryStore::attach(memory, geometry);
    EXPECT_TRUE(attached) << attached.error().message;
    return std::move(*attached);
  }
  [[nodiscard]] std::unique_ptr<MemoryStore> attach() {
    auto attached = attach_only();
    std::vector<Counter*> all;
    for (Counter& counter : counters) all.push_back(&counter);
    const auto bound = attached->bind(all, 0, true);
    EXPECT_TRUE(bound) << bound.error().message;
    return attached;
  }

  static Hash128 hash(std::uint64_t client) {
    return siphash128({1, 2}, {reinterpret_cast<const char*>(&client), sizeof client});
  }
  [[nodiscard]] Charge charge(std::uint64_t client, std::uint64_t cost = 1,
                              std::size_t counter = 0) const {
    return {&counters[counter], hash(client), cost};
  }
  [[nodiscard]] Verdict decide(std::uint64_t client, Ticks now, std::uint64_t cost = 1,
                               std::size_t counter = 0) const {
    const Charge one = charge(client, cost, counter);
    Verdict verdict;
    store->apply({&one, 1}, now, {&verdict, 1});
    return verdict;
  }
  bool admits(std::uint64_t client, Ticks now, std::uint64_t cost = 1,
              std::size_t counter = 0) const {
    return decide(client, now, cost, counter).admitted;
  }
  /// All counters as one group.
  [[nodiscard]] std::vector<Verdict> decide_group(std::uint64_t client, Ticks now,
                                                  std::uint64_t cost = 1) const {
    std::vector<Charge> charges;
    for (std::size_t i = 0; i < counters.size(); ++i) charges.push_back(charge(client, cost, i));
    std::vector<Verdict> verdicts(charges.size());
    store->apply(charges, now, verdicts);
    return verdicts;
  }

  StoreGeometry geometry;
  std::span<std::byte> memory;
  std::vector<Counter> counters;
  std::unique_ptr<MemoryStore> store;
};

}  // namespace tidegate
