// An entry of the shared table: tag and word, 16 bytes, changed only together.
#pragma once

#include <smmintrin.h>

#include <atomic>
#include <cstdint>

#include "core/time.hpp"

namespace tidegate {

/// {0, 0} was never used. A tag with bit 0 set is *pending*: a claim that grants nothing yet. The
/// word is the time (ticks) from which on the entry equals never-seen, whatever algorithm wrote it.
struct alignas(16) Entry {
  std::uint64_t tag = 0;
  std::uint64_t word = 0;
  friend bool operator==(const Entry&, const Entry&) = default;
};

inline constexpr std::uint64_t kPending = 1;

/// The tag of a key: never 0, and never pending by itself.
[[nodiscard]] constexpr std::uint64_t tag_of(std::uint64_t low) { return (low & ~kPending) | 2; }

/// Both halves, one after the other. They may stem from two moments: whoever acts on them changes
/// the entry by compare_and_swap, which fails then, or looks at the tag again. Works on read-only
/// memory.
[[nodiscard]] inline Entry load(const Entry& entry) {
  const std::uint64_t tag = __atomic_load_n(&entry.tag, __ATOMIC_ACQUIRE);
  return {tag, __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE)};
}

[[nodiscard]] inline std::uint64_t load_tag(const Entry& entry) {
  return __atomic_load_n(&entry.tag, __ATOMIC_ACQUIRE);
}

/// One locked instruction, and so a full barrier. (std::atomic of 16 bytes would call libatomic
/// here, which may take a lock that only one process sees.)
inline bool compare_and_swap(Entry& entry, const Entry& seen, const Entry& next) {
#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer would put such a lock in the place of the builtin.
  bool swapped = false;
  std::uint64_t tag = seen.tag;
  std::uint64_t word = seen.word;
  asm volatile("lock cmpxchg16b %1"
               : "=@ccz"(swapped), "+m"(entry), "+a"(tag), "+d"(word)
               : "b"(next.tag), "c"(next.word)
               : "memory");
  return swapped;
#else
  __extension__ using Wide = unsigned __int128;
  const auto wide = [](const Entry& e) { return Wide{e.word} << 64 | e.tag; };
  return __sync_bool_compare_and_swap(reinterpret_cast<Wide*>(&entry), wide(seen), wide(next));
#endif
}

inline constexpr std::size_t kBucketSlots = 8;

/// Two cache lines.
struct alignas(128) Bucket {
  Entry slots[kBucketSlots];
};

/// The slots that hold the tag, a bit each. Works on read-only memory.
[[nodiscard]] inline unsigned slots_with(const Bucket& bucket, std::uint64_t tag) {
  unsigned found = 0;
#ifdef __SANITIZE_THREAD__
  for (unsigned i = 0; i < kBucketSlots; ++i) {
    found |= static_cast<unsigned>(load_tag(bucket.slots[i]) == tag) << i;
  }
#else
  // The same, two tags at a time. Each is loaded whole: a processor never tears 8 aligned bytes;
  // and the compiler is kept from using what it has loaded before.
  std::atomic_signal_fence(std::memory_order_acq_rel);
  const auto* const entries = reinterpret_cast<const __m128i*>(bucket.slots);
  const __m128i wanted = _mm_set1_epi64x(static_cast<long long>(tag));
  for (unsigned i = 0; i < kBucketSlots; i += 2) {
    const __m128i tags =
        _mm_unpacklo_epi64(_mm_load_si128(entries + i), _mm_load_si128(entries + i + 1));
    const __m128i equal = _mm_cmpeq_epi64(tags, wanted);
    found |= static_cast<unsigned>(_mm_movemask_pd(_mm_castsi128_pd(equal))) << i;
  }
#endif
  return found;
}

/// Raises `word` to `value` if it is lower.
inline void raise(std::atomic<std::uint64_t>& word, std::uint64_t value) {
  std::uint64_t seen = word.load(std::memory_order_acquire);
  while (seen < value && !word.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace tidegate
