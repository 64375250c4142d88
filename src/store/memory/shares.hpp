// Who was given which part of the overflow entries and of the log region, by the names of counters:
// so counts survive a change of the rules. Read and changed by one process at a time, whoever has
// its turn (see MemoryStore::bind), but for two things that others look at while they decide:
// whether a set of rings was closed, and which one came after it.
//
// A rule whose limit grows past the rings it has gets a larger set, and the old one is closed:
// nobody charges it any more, and what it holds still counts until it has aged out of the window.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "core/time.hpp"
#include "store/charge.hpp"
#include "store/memory/ring_set.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// One record in shared memory. All zero: free.
struct Share {
  std::atomic<std::uint64_t> key;  ///< written last; 0: free
  /// 0: in use. Else when it ended: odd if its rule is gone from the policy in force, which may
  /// come back; even if its rings were closed for larger ones. Then it has rings alone.
  std::atomic<Ticks> ended_at;
  std::atomic<std::uint32_t> overflow_first;
  std::atomic<std::uint16_t> overflow_count;  ///< 0: none
  std::atomic<std::uint16_t> ring_slots;      ///< stamps of a ring; 0: it has none
  std::atomic<std::uint32_t> ring_first;      ///< in units of the log region
  std::atomic<std::uint32_t> ring_units;
};
static_assert(sizeof(Share) == 32);

/// Half as many again as windows can be in force: records of rules that are gone stay until their
/// counts have run out.
inline constexpr std::size_t kShares = 49'152;

/// The log region is handed out in units of so many words, those of a bucket.
inline constexpr std::uint64_t kLogUnit = RingSetLayout::kBucketWords;

[[nodiscard]] inline bool is_closed(Ticks ended_at) { return ended_at != 0 && ended_at % 2 == 0; }

[[nodiscard]] inline std::uint64_t share_key(const Hash128& counter) {
  return (counter.low ^ (counter.high << 32 | counter.high >> 32)) | 1;
}

/// The parts of the store's memory that are handed out.
struct Shared {
  std::span<Share> shares;
  std::atomic<std::uint64_t>* shares_used;  ///< those from the first on that were ever used
  std::span<std::atomic<Ticks>> overflow;
  std::span<std::atomic<std::uint64_t>> log;
  Ticks overflow_until = 0;  ///< no overflow word lives longer

  [[nodiscard]] std::span<Share> used() const {
    return shares.first(std::min<std::size_t>(shares_used->load(), shares.size()));
  }
};

/// The rings of a counter: those in use, and closed ones that still count.
struct RingShares {
  const Share* open = nullptr;
  std::vector<const Share*> older;
};

/// Gives every counter its share of the overflow entries, fills that in, and numbers the sets of
/// rings; the result has one element for each. Counters of one key share everything. What a counter
/// was given before it keeps. `overflow_count` and `ring_slots` of a counter say what it would
/// like.
///
/// Shares of counters that are not among these are taken back once nothing in them counts. Where
/// there is not enough room, everything is laid out anew if nothing would be lost, or if the caller
/// is alone; else it is an error, which says what would help.
[[nodiscard]] std::expected<std::vector<RingShares>, Error> hand_out(
    const Shared& shared, std::span<Counter* const> counters, Ticks now, bool alone);

/// The rings of `key` as they are now, for whoever finds his own closed.
[[nodiscard]] RingShares find_rings(const Shared& shared, std::uint64_t key);

}  // namespace tidegate
