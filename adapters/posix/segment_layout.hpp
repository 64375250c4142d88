// How a segment is divided. Offsets are fixed or worked out from the configuration, never read from
// the memory.
//
//        0   header         4 KiB  what it is, the hash key, the clock
//    4 KiB   counters    2036 KiB  what metrics show
//  2 M - 8   config         8 KiB  which text is in force, and what became of reloads
//    2 MiB   text           2 MiB  the configuration in force
//    4 MiB   store       to the end, on the boundary of a large page
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "adapters/posix/segment_config.hpp"
#include "core/hash.hpp"
#include "core/time.hpp"
#include "store/memory/store.hpp"
#include "tidegate/config.hpp"

namespace tidegate::posix {

struct SegmentHeader {
  static constexpr std::uint64_t kMagic = 0x746e'656d'6765'7374;  // "tsegment"
  static constexpr std::uint64_t kLayout = 4;  ///< counts up when anything in the file moves

  std::uint64_t magic = kMagic;
  std::uint64_t layout = kLayout;
  std::uint64_t bytes = 0;  ///< of the whole file
  std::uint64_t capacity = 0;
  std::uint64_t log_slots = 0;
  HashKey hash_key;
  std::int64_t clock_offset_us = 0;  ///< CLOCK_BOOTTIME plus this was Unix time at creation
  Micros created_us = 0;
  /// Of all above. Without it one changed bit of the hash key would be a second count for
  /// everybody.
  std::uint64_t checksum = 0;

  [[nodiscard]] std::uint64_t right_checksum() const {
    return siphash128({kMagic, kLayout},
                      {reinterpret_cast<const char*>(this), offsetof(SegmentHeader, checksum)})
        .low;
  }
};
static_assert(std::has_unique_object_representations_v<SegmentHeader>);

struct SegmentLayout {
  static constexpr std::size_t kCountersAt = std::size_t{4} << 10;
  static constexpr std::size_t kConfigAt = std::size_t{2040} << 10;
  static constexpr std::size_t kTextAt = std::size_t{2} << 20;
  static constexpr std::size_t kStoreAt = std::size_t{4} << 20;

  std::size_t store_bytes;
  std::size_t bytes;  ///< of the whole file

  explicit SegmentLayout(const StoreGeometry& geometry)
      : store_bytes(MemoryStore::bytes_needed(geometry)), bytes(kStoreAt + store_bytes) {}
};
static_assert(sizeof(SegmentHeader) <= SegmentLayout::kCountersAt);
static_assert(sizeof(SharedConfig) <= SegmentLayout::kTextAt - SegmentLayout::kConfigAt);
static_assert(kMaxConfigBytes <= SegmentLayout::kStoreAt - SegmentLayout::kTextAt);

}  // namespace tidegate::posix
