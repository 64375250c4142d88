// What the workers of the torture test do: few clients, and fewer slots.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "store/charge.hpp"
#include "store/memory/entry.hpp"
#include "store/memory/store.hpp"

namespace tidegate::torture {

/// Slots for rings: seven clients of eight at once, where a ring has eight stamps.
inline constexpr std::uint32_t kRingSlots = 8;
inline constexpr std::uint64_t kRingClients = 7;
inline constexpr std::uint64_t kBucketWords = 16;

/// The smallest table there is has eight buckets. All clients are put into a few of them.
inline constexpr StoreGeometry kCramped{
    .capacity = 32, .log_slots = kBucketWords + kRingClients * (kRingSlots + 1)};
/// Eight buckets of rings too.
inline constexpr StoreGeometry kRoomy{
    .capacity = 32, .log_slots = 8 * (kBucketWords + kBucketSlots * (kRingSlots + 1))};

/// What has to happen in a workload for it to have tested what it is for.
struct Aims {
  bool evictions = false;
  bool shared_words = false;
  bool conflicts = false;
  bool unanswered = false;  ///< operations of the killed that took effect
};

struct Workload {
  std::string_view name;
  StoreGeometry geometry = kCramped;
  std::uint64_t clients = 24;      ///< 16 slots are for all of them
  std::uint64_t busy_clients = 0;  ///< so many of them ask as often as all others together
  std::uint64_t step_us = 1;       ///< how far a decision moves the clock, on average
  std::uint64_t whole_groups = 0;  ///< one decision in so many is on all counters; 0: none, 1: all
  std::uint64_t buckets = 2;       ///< that all clients are put into, of eight
  std::uint64_t jump_us = 0;       ///< now and then the clock jumps that far
  std::uint64_t max_cost = 1;
  bool resets = false;       ///< clients are forgotten now and then, where a test does that
  bool strict_logs = false;  ///< refusals and quotas of logs must be right too
  Aims aims = {};
  std::vector<Counter> counters = {};
};

inline Counter counter(Algorithm algorithm, std::uint64_t limit, std::uint64_t window_us,
                       std::uint64_t burst = 0) {
  Counter made;
  WindowConfig config{.limit = limit, .window = std::chrono::microseconds(window_us)};
  if (burst != 0) config.burst = burst;
  made.window = make_window(algorithm, config);
  if (algorithm == Algorithm::sliding_window) made.ring_slots = kRingSlots;
  return made;
}

/// Gives each counter a key, a place and a share of the overflow entries.
inline void number(std::vector<Counter>& counters) {
  std::uint32_t number = 0;
  for (Counter& each : counters) {
    each.key = {(number + 1) * 0xd1b5'4a32'd192'ed03, 0};
    each.place = static_cast<std::uint8_t>(number);
    each.overflow_first = number * kMinOverflowPerWindow;
    each.overflow_count = kMinOverflowPerWindow;
    ++number;
  }
}

/// The n-th client. Its two buckets are among the first `buckets`, and may be one bucket twice.
inline Hash128 client_hash(std::uint64_t n, std::uint64_t buckets) {
  const std::uint64_t first = n % buckets;
  const std::uint64_t second = n / buckets % buckets;
  constexpr unsigned kShift = 32 - 3;  // 32 bits scaled to eight buckets
  return {(n + 1) * 0x9e37'79b9'7f4a'7c15, first << (32 + kShift) | second << kShift | n << 4};
}

inline std::vector<Workload> workloads() {
  using enum Algorithm;
  constexpr Aims kCrowded{.evictions = true, .shared_words = true};
  constexpr Aims kRaces{.evictions = true, .shared_words = true, .conflicts = true};
  std::vector<Workload> all{
      {.name = "token_bucket", .aims = kCrowded, .counters = {counter(token_bucket, 33, 1'000, 2)}},
      {.name = "costs",
       .max_cost = 3,
       .aims = kCrowded,
       .counters = {counter(token_bucket, 50, 1'000, 5)}},
      {.name = "fixed_window",
       .step_us = 20,
       .aims = kCrowded,
       .counters = {counter(fixed_window, 2, 2'000)}},
      {.name = "sliding_window_counter",
       .step_us = 20,
       .aims = kCrowded,
       .counters = {counter(sliding_window_counter, 2, 1'000)}},
      // Smaller than the ring: the limit of a lower tier.
      {.name = "sliding_window",
       .clients = 10,
       .step_us = 20,
       .max_cost = 2,
       .aims = kCrowded,
       .counters = {counter(sliding_window, 3, 1'000)}},
      // Full most of the time: most clients share, until the clock jumps and all begin anew.
      {.name = "overflow",
       .clients = 40,
       .jump_us = 1'000,
       .aims = kCrowded,
       .counters = {counter(token_bucket, 4, 1'000, 2)}},
      {.name = "group",
       .clients = 12,
       .whole_groups = 2,
       .aims = kRaces,
       .counters = {counter(token_bucket, 50, 1'000, 2), counter(token_bucket, 25, 1'000, 3)}},
      // One client asks for more than is there, everywhere at once.
      {.name = "race",
       .clients = 2,
       .whole_groups = 2,
       .aims = {.conflicts = true},
       .counters = {counter(token_bucket, 200, 1'000, 8), counter(token_bucket, 250, 1'500, 8)}},
      {.name = "mixed_group",
       .clients = 10,
       .step_us = 20,
       .whole_groups = 2,
       .aims = kRaces,
       .counters = {counter(sliding_window, 3, 2'000), counter(fixed_window, 5, 4'000),
                    counter(sliding_window_counter, 4, 3'000)}},
  };
  for (Workload& workload : all) number(workload.counters);
  return all;
}

}  // namespace tidegate::torture
