// What decides in a benchmark: tidegate's table, and what a C++ program would otherwise take. All
// run the same token bucket, so that only storage differs. All take the time; none reads a clock.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/unordered/unordered_flat_map.hpp>

#include "adapters/posix/segment.hpp"
#include "algo/token_bucket.hpp"
#include "algo/window.hpp"
#include "bench/keys.hpp"
#include "core/hash.hpp"
#include "store/memory/store.hpp"

namespace tidegate::bench {

inline constexpr std::size_t kBatch = 16;

/// Every client may have a million a second: all requests are admitted, so every decision writes.
inline Window bucket() {
  return make_window(Algorithm::token_bucket,
                     {.limit = 1'000'000, .window = std::chrono::seconds(1), .burst = {}});
}

/// The shared table, hash of the key included.
class Table {
 public:
  explicit Table(std::uint64_t clients) : segment_(open(clients)) {
    const StoreGeometry geometry{.capacity = clients, .log_slots = kLogSlots};
    store_ = MemoryStore::attach(segment_.store_memory(), geometry).value();
    counter_.window = bucket();
    counter_.key = siphash128(key_, "default");
    counter_.overflow_count = kMaxOverflowPerWindow;
    const Counter* counters[] = {&counter_};
    if (!store_->bind(counters, counter_.key, true)) std::exit(1);
  }

  bool one(std::string_view key, Ticks now) {
    const Charge charge{&counter_, siphash128(key_, key), 1};
    Verdict verdict;
    store_->apply({&charge, 1}, now, {&verdict, 1});
    return verdict.admitted;
  }

  /// Decides keys[first, first + kBatch) and returns how many were admitted.
  std::size_t batch(const KeyStream& keys, std::size_t first, Ticks now) {
    std::array<Charge, kBatch> charges;
    std::array<Verdict, kBatch> verdicts;
    for (std::size_t i = 0; i < kBatch; ++i) {
      charges[i] = {&counter_, siphash128(key_, keys[first + i]), 1};
    }
    store_->apply(charges, kGroupEnds, now, verdicts);
    std::size_t admitted = 0;
    for (const Verdict& verdict : verdicts) admitted += verdict.admitted ? 1 : 0;
    return admitted;
  }

 private:
  static constexpr std::array<std::uint32_t, kBatch> kGroupEnds{1, 2,  3,  4,  5,  6,  7,  8,
                                                                9, 10, 11, 12, 13, 14, 15, 16};
  static constexpr std::uint64_t kLogSlots = 64;

  static posix::Segment open(std::uint64_t clients) {
    RateLimitConfig config;
    config.memory.capacity = clients;
    config.memory.log_slots = kLogSlots;
    config.memory.segment.clear();
    auto segment = posix::Segment::open(config);
    if (!segment) {
      fmt::print(stderr, "{}\n", segment.error().message);
      std::exit(1);
    }
    return std::move(*segment);
  }

  posix::Segment segment_;
  std::unique_ptr<MemoryStore> store_;
  Counter counter_;
  HashKey key_{0x1234567890abcdef, 0xfedcba0987654321};
};

/// std::unordered_map<std::string, TAT> under one mutex.
class LockedMap {
 public:
  explicit LockedMap(std::uint64_t clients) { map_.reserve(clients); }

  bool one(std::string_view key, Ticks now) {
    const std::lock_guard lock(mutex_);
    Ticks& tat = map_.try_emplace(std::string(key)).first->second;
    const Step step = token_bucket::step(window_, tat, now, 1);
    if (step.admitted) tat = step.word;
    return step.admitted;
  }

 private:
  Window window_ = bucket();
  std::mutex mutex_;
  std::unordered_map<std::string, Ticks> map_;
};

/// 64 boost::unordered_flat_map<std::string, TAT>, each under its own mutex: looked up without
/// making a string.
class ShardedFlatMap {
 public:
  explicit ShardedFlatMap(std::uint64_t clients) {
    for (Shard& shard : shards_) shard.map.reserve(clients / kShards * 5 / 4);
  }

  bool one(std::string_view key, Ticks now) {
    Shard& shard = shards_[Hash{}(key) >> 58];
    const std::lock_guard lock(shard.mutex);
    auto found = shard.map.find(key);
    if (found == shard.map.end()) found = shard.map.emplace(std::string(key), 0).first;
    const Step step = token_bucket::step(window_, found->second, now, 1);
    if (step.admitted) found->second = step.word;
    return step.admitted;
  }

 private:
  static constexpr std::size_t kShards = 64;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    boost::unordered_flat_map<std::string, Ticks, Hash, std::equal_to<>> map;
  };
  Window window_ = bucket();
  std::array<Shard, kShards> shards_;
};

}  // namespace tidegate::bench
