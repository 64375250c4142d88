// The memory that the workers share: a store, a clock, and what was granted.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "store/memory/store.hpp"
#include "tests/processes/workload.hpp"

namespace tidegate::torture {

inline constexpr std::size_t kWorkers = 6;

/// One admitted decision. `counters` has a bit for each counter that was charged.
struct LogLine {
  std::uint32_t client;
  std::uint16_t counters;
  std::uint16_t cost;
  Ticks from;
  Ticks to;
};

/// Zeroed memory, MAP_SHARED: what one process writes before it is killed the others see.
class Arena {
 public:
  explicit Arena(std::uint64_t decisions_per_worker) : decisions_(decisions_per_worker) {
    void* mapped = mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(mapped);
    // Hours after the epoch: claims and windows do not reach before it.
    clock().store(kLatest / 2);
    MemoryStore::format(store(), kGeometry);
  }
  ~Arena() { munmap(start_, size()); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// How far a worker has come; whoever replaces it goes on there.
  struct Progress {
    std::atomic<std::uint64_t> decisions;
    std::atomic<std::uint64_t> grants;
  };

  [[nodiscard]] std::span<std::byte> store() { return {start_, store_size()}; }
  [[nodiscard]] std::atomic<Ticks>& clock() { return shared().clock; }
  [[nodiscard]] Progress& progress(std::size_t worker) { return shared().workers[worker]; }
  [[nodiscard]] std::span<LogLine> log(std::size_t worker) {
    auto* lines = reinterpret_cast<LogLine*>(start_ + store_size() + sizeof(Shared));
    return {lines + worker * decisions_, decisions_};
  }

 private:
  struct Shared {
    std::atomic<Ticks> clock;
    std::array<Progress, kWorkers> workers;
  };

  static std::size_t store_size() { return MemoryStore::bytes_needed(kGeometry); }
  [[nodiscard]] std::size_t size() const {
    return store_size() + sizeof(Shared) + kWorkers * decisions_ * sizeof(LogLine);
  }
  [[nodiscard]] Shared& shared() { return *reinterpret_cast<Shared*>(start_ + store_size()); }

  std::uint64_t decisions_;
  std::byte* start_ = nullptr;
};

}  // namespace tidegate::torture
