// tidegate's table as users have it: in a segment of its own, hash of the key included.
#pragma once

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/posix/segment.hpp"
#include "algo/window.hpp"
#include "bench/fail.hpp"
#include "bench/keys.hpp"
#include "core/hash.hpp"
#include "store/memory/store.hpp"

namespace tidegate::bench {

inline constexpr std::size_t kBatch = 16;
inline constexpr Ticks kStart = Ticks{1'800'000'000'000'000} * kTicksPerMicro;

inline Window bucket_of(std::uint64_t limit, std::chrono::seconds window) {
  return make_window(Algorithm::token_bucket, {.limit = limit, .window = window, .burst = {}});
}

/// Every client may have a million a second: all requests are admitted, so every decision writes.
inline Window bucket() { return bucket_of(1'000'000, std::chrono::seconds(1)); }

class Table {
 public:
  /// With one counter for each window.
  explicit Table(std::uint64_t capacity, std::vector<Window> windows = {bucket()})
      : segment_(open(capacity)), counters_(windows.size()) {
    const StoreGeometry geometry{.capacity = capacity, .log_slots = kLogSlots};
    store_ = MemoryStore::attach(segment_.store_memory(), geometry).value();
    std::vector<Counter*> all;
    const Hash128 rule = siphash128(segment_.hash_key(), "rule");
    for (std::size_t i = 0; i < windows.size(); ++i) {
      Counter& counter = counters_[i];
      counter.window = windows[i];
      // As the policy names them: one half for the rule, one for the window.
      counter.key = {siphash128(segment_.hash_key(), fmt::format("window {}", i)).low, rule.high};
      counter.place = static_cast<std::uint8_t>(i);
      counter.overflow_count = kMaxOverflowPerWindow;
      all.push_back(&counter);
    }
    const auto bound = store_->bind(all, 0, true);
    if (!bound) fail(bound.error().message);
  }

  /// Charges one client under `Windows` counters from `counter` on, all or nothing. True if
  /// admitted.
  template <std::size_t Windows = 1>
  bool one(std::string_view key, Ticks now, std::size_t counter = 0) {
    std::array<Charge, Windows> charges;
    std::array<Verdict, Windows> verdicts;
    charge(key, counter, charges);
    store_->apply(charges, now, verdicts);
    return admitted<Windows>(verdicts) == 1;
  }

  /// The same for the clients keys[first, first + kBatch) at once. Returns how many were admitted.
  template <std::size_t Windows = 1>
  std::size_t batch(const KeyStream& keys, std::size_t first, Ticks now, std::size_t counter = 0) {
    static constexpr auto kEnds = [] {
      std::array<std::uint32_t, kBatch> ends{};
      for (std::uint32_t i = 0; i < kBatch; ++i) ends[i] = (i + 1) * Windows;
      return ends;
    }();
    std::array<Charge, kBatch * Windows> charges;
    std::array<Verdict, kBatch * Windows> verdicts;
    for (std::size_t i = 0; i < kBatch; ++i) {
      charge(keys[first + i], counter, std::span(charges).subspan(i * Windows, Windows));
    }
    store_->apply(charges, kEnds, now, verdicts);
    return admitted<Windows>(verdicts);
  }

  /// By the segment's clock.
  [[nodiscard]] Ticks now() const { return segment_.now_us() * kTicksPerMicro; }
  [[nodiscard]] StoreStats stats(Ticks now) const { return store_->stats(now); }

 private:
  static constexpr std::uint64_t kLogSlots = 64;

  static posix::Segment open(std::uint64_t capacity) {
    RateLimitConfig config;
    config.memory.capacity = capacity;
    config.memory.log_slots = kLogSlots;
    config.memory.segment.clear();
    auto segment = posix::Segment::open(config);
    if (!segment) fail(segment.error().message);
    return std::move(*segment);
  }

  void charge(std::string_view key, std::size_t counter, std::span<Charge> charges) const {
    const Hash128 client = siphash128(segment_.hash_key(), key);
    for (std::size_t i = 0; i < charges.size(); ++i) {
      charges[i] = {&counters_[counter + i], client, 1};
    }
  }

  /// How many groups of `Windows` were admitted.
  template <std::size_t Windows>
  static std::size_t admitted(std::span<const Verdict> verdicts) {
    std::size_t groups = 0;
    for (std::size_t i = 0; i < verdicts.size(); i += Windows) {
      bool all = true;
      for (std::size_t w = 0; w < Windows; ++w) all = all && verdicts[i + w].admitted;
      groups += all ? 1 : 0;
    }
    return groups;
  }

  posix::Segment segment_;
  std::vector<Counter> counters_;
  std::unique_ptr<MemoryStore> store_;
};

}  // namespace tidegate::bench
