// What a C++ program would take instead of tidegate's table. All run the same token bucket, so that
// only storage differs. All take the time; none reads a clock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/unordered/unordered_flat_map.hpp>

#include "algo/token_bucket.hpp"
#include "algo/window.hpp"
#include "bench/table.hpp"

namespace tidegate::bench {

/// std::unordered_map<std::string, TAT> under one mutex.
class LockedMap {
 public:
  explicit LockedMap(std::uint64_t clients) { map_.reserve(clients); }

  bool one(std::string_view key, Ticks now) {
    // Whoever asks has a string already; making one for each call is no part of the map.
    static thread_local std::string text;
    text = key;
    const std::lock_guard lock(mutex_);
    Ticks& tat = map_.try_emplace(text).first->second;
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
