// The rings of one sliding_window counter: a small table of entries, and a ring for each of its
// slots.
//
// An entry's word is the time of the last admission plus the window, at least: so the key's time is
// never before word - window, and an entry that has expired leaves a ring of stamps that are all
// out of the window. A new owner needs no clearing.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "store/memory/ring.hpp"
#include "store/memory/slot_table.hpp"

namespace tidegate {

/// How a share of the log region is divided: buckets of entries first, then the rings.
struct RingSetLayout {
  std::uint64_t buckets = 0;
  unsigned slots_per_bucket = 0;  ///< 8, or fewer where the share has room for less than 8 rings
  std::uint64_t rings_at = 0;     ///< in words from the start of the share

  static constexpr std::uint64_t kBucketWords = sizeof(Bucket) / 8;

  /// No bucket if the share does not even hold one ring.
  [[nodiscard]] static constexpr RingSetLayout of(std::uint64_t share_words,
                                                  std::uint32_t ring_slots) {
    const std::uint64_t ring = Ring::words(ring_slots);
    const std::uint64_t full = share_words / (kBucketWords + kBucketSlots * ring);
    if (full != 0) return {full, kBucketSlots, full * kBucketWords};
    if (share_words < kBucketWords + ring) return {};
    return {1, static_cast<unsigned>((share_words - kBucketWords) / ring), kBucketWords};
  }
};

template <class Hooks>
struct RingSet {
  SlotTable<Hooks> table;
  Ring::Word* rings = nullptr;
  std::uint32_t ring_slots = 0;
  /// Of its share (see shares.hpp): whether it was closed. Null: it never is.
  const std::atomic<Ticks>* ended_at = nullptr;
  std::uint64_t key = 0;       ///< of its share
  std::vector<RingSet> older;  ///< closed ones of the same counter, which still count

  [[nodiscard]] bool closed() const {
    const Ticks ended = ended_at == nullptr ? 0 : ended_at->load(std::memory_order_acquire);
    return ended != 0 && ended % 2 == 0;
  }

  [[nodiscard]] Ring ring_of(const Entry& entry) const {
    return {rings + table.index_of(entry) * Ring::words(ring_slots), ring_slots};
  }
};

}  // namespace tidegate
