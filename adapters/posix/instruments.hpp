// What a segment knows besides its table of counts, and what is made of both for metrics, the page
// of operators and `tidegate top`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "core/time.hpp"
#include "engine/engine.hpp"
#include "observe/counters.hpp"
#include "observe/entry_census.hpp"
#include "observe/redis_counters.hpp"
#include "observe/top_clients.hpp"
#include "store/guard/guard.hpp"
#include "store/memory/store.hpp"
#include "tidegate/status.hpp"

namespace tidegate::posix {

/// The counters and names of a segment as one process sees them. Any number of threads.
class Instruments {
 public:
  /// `memory` is Segment::counters_memory; `capacity` that of the store.
  Instruments(std::span<std::byte> memory, std::uint64_t capacity);

  Counters counters;
  TopClients top;
  RedisCounters redis;

  /// One for all processes: a Redis that is gone is gone for the host.
  [[nodiscard]] GuardMemory& guards() { return guards_; }
  [[nodiscard]] const GuardMemory& guards() const { return guards_; }

  /// Somebody has forgotten counts that guards may remember denials of.
  void note_reset() { guards_.resets.fetch_add(1); }

  /// Counts as many entries of the table as the time since the last call asks for.
  void refresh(const MemoryStore& store, Micros now_us);
  /// Fills the totals, the busiest clients (at most `top_clients`), the warnings and the figures of
  /// the store.
  void read(const Engine& engine, const MemoryStore& store, Micros now_us, std::size_t top_clients,
            Status& out);

 private:
  GuardMemory& guards_;
  std::mutex census_mutex_;
  EntryCensus census_;
};

}  // namespace tidegate::posix
