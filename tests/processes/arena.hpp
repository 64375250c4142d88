// The memory that the workers share: a store, a clock, and a log of what they did.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "store/memory/store.hpp"

namespace tidegate::torture {

inline constexpr std::size_t kWorkers = 6;

/// Nothing besides.
struct NoMore {};

/// Zeroed memory, MAP_SHARED: what one process writes before it is killed the others see. `More` is
/// what a test shares besides.
template <class Line, class More = NoMore>
class Arena {
 public:
  Arena(const StoreGeometry& geometry, std::uint64_t lines_per_worker)
      : store_size_(MemoryStore::bytes_needed(geometry)), lines_(lines_per_worker) {
    void* mapped = mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(mapped);
    // Hours after the epoch: claims and windows do not reach before it.
    clock().store(kLatest / 2);
    MemoryStore::format(store(), geometry);
  }
  ~Arena() { munmap(start_, size()); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// How far a worker has come; whoever replaces it goes on there.
  struct Progress {
    std::atomic<std::uint64_t> decisions;
    std::atomic<std::uint64_t> lines;  ///< of the log that are written
  };

  [[nodiscard]] std::span<std::byte> store() { return {start_, store_size_}; }
  [[nodiscard]] std::atomic<Ticks>& clock() { return shared().clock; }
  [[nodiscard]] Progress& progress(std::size_t worker) { return shared().workers[worker]; }
  /// How many workers have died by their own hand, at a step.
  [[nodiscard]] std::atomic<std::uint64_t>& deaths_at_steps() { return shared().deaths_at_steps; }
  [[nodiscard]] More& more() { return shared().more; }
  [[nodiscard]] std::span<Line> log(std::size_t worker) {
    auto* lines = reinterpret_cast<Line*>(start_ + store_size_ + sizeof(Shared));
    return {lines + worker * lines_, lines_};
  }

 private:
  struct alignas(64) Shared {
    std::atomic<Ticks> clock;
    std::atomic<std::uint64_t> deaths_at_steps;
    std::array<Progress, kWorkers> workers;
    More more;
  };

  [[nodiscard]] std::size_t size() const {
    return store_size_ + sizeof(Shared) + kWorkers * lines_ * sizeof(Line);
  }
  [[nodiscard]] Shared& shared() { return *reinterpret_cast<Shared*>(start_ + store_size_); }

  std::size_t store_size_;
  std::uint64_t lines_;
  std::byte* start_ = nullptr;
};

}  // namespace tidegate::torture
