// The in-memory store against the exact references, one client after another: sliding_window, whose
// log is the store's own, over as many schedules as the other algorithms have in algorithms_test,
// those again over fewer.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "store/memory/store.hpp"
#include "tests/reference/fixed_window.hpp"
#include "tests/reference/schedule.hpp"
#include "tests/reference/sliding_window.hpp"
#include "tests/reference/sliding_window_counter.hpp"
#include "tests/reference/token_bucket.hpp"

namespace tidegate {
namespace {

using reference::Answer;
using reference::Schedule;

/// Clients that share a store. Fewer than a bucket has slots: everybody has an own entry.
constexpr std::uint64_t kClients = 8;

/// A store with one counter.
class Bench {
 public:
  explicit Bench(const Window& window) {
    void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    memory_ = {static_cast<std::byte*>(mapped), size_};
    MemoryStore::format(memory_, kGeometry);
    store_ = MemoryStore::attach(memory_, kGeometry, kAnyTime).value();

    counter_.window = window;
    counter_.overflow_count = kMinOverflowPerWindow;
    counter_.ring_slots = window.algorithm == Algorithm::sliding_window
                              ? static_cast<std::uint32_t>(window.limit)
                              : 0;
    Counter* counters[] = {&counter_};
    EXPECT_TRUE(store_->bind(counters, 0, true));
  }
  ~Bench() { munmap(memory_.data(), memory_.size()); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Answer decide(std::uint64_t client, Micros now_us, std::uint64_t cost) {
    const Charge charge{&counter_, {client << 32, client << 61 | client << 29}, cost};
    Verdict verdict;
    store_->apply({&charge, 1}, ticks_from_micros(now_us), {&verdict, 1});
    const Quota& quota = verdict.quota;
    return {verdict.admitted, quota.remaining, quota.reset_us, quota.retry_after_us,
            quota.more_after_us};
  }

 private:
  static constexpr StoreGeometry kGeometry{.capacity = 64, .log_slots = 8'192};
  std::size_t size_ = MemoryStore::bytes_needed(kGeometry);
  std::span<std::byte> memory_;
  std::unique_ptr<MemoryStore> store_;
  Counter counter_;
};

/// Returns the latest time used.
template <class Reference>
Micros run_schedule(Schedule& schedule, Bench& bench, std::uint64_t client, const Window& window,
                    Reference exact, Micros start_us) {
  const std::uint64_t requests = 20 + schedule.below(41);
  Answer answer{.remaining = window.capacity};
  Micros now_us = start_us;
  Micros latest_us = start_us;
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::uint64_t cost = schedule.cost(window.capacity, answer.remaining);
    answer = bench.decide(client, now_us, cost);
    const Answer right = reference::decide(exact, now_us, cost);
    EXPECT_EQ(answer, right) << "request " << i << " at " << now_us << " us, cost " << cost;
    if (answer != right) break;
    // Not before the start: there a newcomer meets what others have left behind.
    now_us =
        std::max(start_us, schedule.next_us(now_us, window.window_us, answer.retry_after_us, true));
    latest_us = std::max(latest_us, now_us);
  }
  return latest_us;
}

/// `reference_of(window)` makes an exact reference for one client.
template <class ReferenceOf>
void run(Algorithm algorithm, std::uint64_t max_limit, std::uint64_t schedules,
         ReferenceOf&& reference_of) {
  for (std::uint64_t seed = 0; seed < schedules && !::testing::Test::HasFailure();
       seed += kClients) {
    Schedule schedule(seed);
    const Window window = make_window(algorithm, schedule.window(algorithm, max_limit));
    SCOPED_TRACE("seed " + std::to_string(seed) + ": limit " + std::to_string(window.limit) +
                 ", window " + std::to_string(window.window_us) + " us, capacity " +
                 std::to_string(window.capacity));
    Bench bench(window);
    Micros start_us = schedule.start_us();
    for (std::uint64_t client = 1; client <= kClients; ++client) {
      SCOPED_TRACE("client " + std::to_string(client));
      start_us = run_schedule(schedule, bench, client, window, reference_of(window), start_us);
    }
  }
}

TEST(StoreExact, SlidingWindow) {
  run(Algorithm::sliding_window, 100, reference::schedules(50'000), [](const Window& window) {
    return reference::SlidingWindow(window.limit, window.window_us);
  });
}

TEST(StoreExact, SlidingWindowCounter) {
  run(Algorithm::sliding_window_counter, 1'000'000'000, reference::schedules(50'000) / 10,
      [](const Window& window) {
        return reference::SlidingWindowCounter(window.limit, window.window_us);
      });
}

TEST(StoreExact, TokenBucket) {
  run(Algorithm::token_bucket, 1'000'000'000, reference::schedules(50'000) / 10,
      [](const Window& window) {
        return reference::TokenBucket(window.limit, window.window_us, window.capacity);
      });
}

TEST(StoreExact, FixedWindow) {
  run(Algorithm::fixed_window, 1'000'000'000, reference::schedules(50'000) / 10,
      [](const Window& window) { return reference::FixedWindow(window.limit, window.window_us); });
}

}  // namespace
}  // namespace tidegate
