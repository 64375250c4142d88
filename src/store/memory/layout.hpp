// How the store's memory is divided. Everything in it is shared and may be written by any process
// that has it mapped; sizes and offsets are worked out from the geometry, never read from the
// memory.
//
//   header    4096 bytes: what it is, the shared times, counts of rare events
//   buckets   128 bytes each, 8 entries; twice the capacity, for a load of one half
//   epochs    16 bytes each: of the rules whose clients were forgotten all at once
//   shares    32 bytes each: who was given what of the two regions below
//   overflow  8 bytes each
//   log       8 bytes each: the rings of sliding_window and their entries
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "store/charge.hpp"
#include "store/memory/epochs.hpp"
#include "store/memory/shares.hpp"
#include "store/memory/slot_table.hpp"
#include "store/memory/store.hpp"

namespace tidegate {

inline constexpr std::size_t kPage = 4096;

struct StoreHeader {
  static constexpr std::uint64_t kMagic = 0x31657461'67656474;  // "tdgate1"
  static constexpr std::uint64_t kLayout = 4;  ///< counts up when the layout changes

  std::atomic<std::uint64_t> magic;
  std::uint64_t layout;
  std::uint64_t capacity;
  std::uint64_t log_slots;
  std::atomic<std::uint64_t> attachments;
  std::atomic<std::uint64_t> shares_used;  ///< so many records of shares were ever used

  SharedTimes table_times;
  SharedTimes ring_times;
  /// No cooldown was ever later than this: from then on nobody needs to look for one.
  alignas(64) std::atomic<Ticks> cooldown_until;

  struct alignas(64) Counts {
    std::atomic<std::uint64_t> evictions;
    std::atomic<std::uint64_t> overflow;
    std::atomic<std::uint64_t> conflicts;
  } counts;
};
static_assert(sizeof(StoreHeader) <= kPage);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Sizes and offsets in bytes.
struct StoreLayout {
  std::uint64_t buckets = 0;  ///< a multiple of 8
  std::size_t buckets_at = 0;
  std::size_t epochs_at = 0;
  std::size_t shares_at = 0;
  std::size_t overflow_at = 0;
  std::size_t log_at = 0;
  std::uint64_t log_words = 0;
  std::size_t size = 0;

  explicit constexpr StoreLayout(const StoreGeometry& geometry)
      : buckets((2 * geometry.capacity + kBucketSlots * 8 - 1) / (kBucketSlots * 8) * 8),
        buckets_at(kPage),
        epochs_at(buckets_at + buckets * sizeof(Bucket)),
        shares_at(epochs_at + kEpochs * sizeof(Epoch)),
        overflow_at(shares_at + kShares * sizeof(Share)),
        log_at(overflow_at + kOverflowEntries * sizeof(Ticks)),
        log_words(geometry.log_slots),
        size((log_at + log_words * 8 + kPage - 1) / kPage * kPage) {}
};

}  // namespace tidegate
