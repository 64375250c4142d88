// Buckets of entries and the protocol by which a key gets one: claim as pending, look again,
// confirm.
//
// Two promises carry every bound (docs/shared-table.md says why they hold):
//   unique    at most one slot of a key's two buckets carries its tag unpended, live or expired;
//   monotone  the words of a key never go down, not even across an eviction.
// No step waits for anybody, so a process may be killed at any instruction.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "store/memory/entry.hpp"

namespace tidegate {

/// Words that all processes share, on a cache line of their own: read on each insertion.
struct alignas(64) SharedTimes {
  /// No entry was ever evicted whose word was later than this.
  std::atomic<Ticks> horizon{0};
  /// No overflow word was ever later than this: before it nobody needs to look at one.
  std::atomic<Ticks> overflow_until{0};
  /// How often something was found that nobody wrote, and was put right.
  std::atomic<std::uint64_t> repairs{0};
};

/// Makes the words of claims differ, so that a claim that looks unchanged was not replaced
/// meanwhile.
class ClaimNumbers {
 public:
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << 24) - 1;

  /// `attachment` tells processes apart: ten bits of a number are its, fourteen count.
  explicit ClaimNumbers(std::uint64_t attachment) { renumber(attachment); }
  /// Before anybody asks for a number.
  void renumber(std::uint64_t attachment) { attachment_ = attachment << 14 & kMask; }
  std::uint64_t next() {
    return attachment_ | (count_.fetch_add(1, std::memory_order_relaxed) & 0x3fff);
  }

 private:
  std::uint64_t attachment_ = 0;
  std::atomic<std::uint64_t> count_{0};
};

/// The two buckets a key may live in. first() and second() are the order in which all processes
/// look through them to insert.
struct Place {
  Bucket* home = nullptr;   ///< the one where the key most likely is
  Bucket* other = nullptr;  ///< equal to `home` where there is only one

  [[nodiscard]] Bucket* first() const { return std::min(home, other); }
  [[nodiscard]] Bucket* second() const { return std::max(home, other); }
};

/// A view on buckets in shared memory. Any number of threads and processes.
template <class Hooks>
class SlotTable {
 public:
  /// How long a claim stands before anybody may take it away as expired: longer than a process
  /// needs for the few steps between claim and confirmation, and short for one that died there.
  static constexpr Ticks kClaimLife = Ticks{2'000} * kTicksPerMicro;
  /// Live entries from which on a bucket takes newcomers only if the other one has no fewer.
  static constexpr unsigned kCrowded = 6;

  SlotTable() = default;
  /// `slots` per bucket are used: 8, or fewer in a table of a single bucket.
  /// What lies more than `furthest` ahead is damage.
  SlotTable(Bucket* buckets, std::uint64_t count, unsigned slots, SharedTimes& times,
            std::atomic<std::uint64_t>& evictions, Ticks furthest = kFurthestAhead)
      : buckets_(buckets),
        count_(count),
        slots_(slots),
        times_(&times),
        evictions_(&evictions),
        furthest_(furthest) {}

  /// Windows of one client (`number` 0 to 7) go to neighbouring pairs: all in one pair would fill
  /// it.
  [[nodiscard]] Place place(std::uint64_t high, unsigned number) const {
    // Multiply-shift: 32 hash bits scaled to the number of buckets.
    std::uint64_t a = (high >> 32) * count_ >> 32;
    std::uint64_t b = (high & 0xffff'ffff) * count_ >> 32;
    if (count_ >= kBucketSlots) {
      a ^= number;
      b ^= number;
    }
    return {buckets_ + a, buckets_ + b};
  }

  static void prefetch(const Bucket& bucket) {
    __builtin_prefetch(&bucket, 1);
    __builtin_prefetch(&bucket.slots[kBucketSlots / 2], 1);
  }

  /// The key's confirmed entry, or null.
  [[nodiscard]] Entry* find(std::uint64_t tag, const Place& place) const {
    Entry* const entry = find_in(*place.home, tag);
    return entry != nullptr ? entry : find_in(*place.other, tag);
  }

  /// Looks into one bucket. All its tags are compared before the first branch: which one it is
  /// cannot be foreseen. Slots that are not in use hold no tag.
  [[nodiscard]] static Entry* find_in(Bucket& bucket, std::uint64_t tag) {
    const unsigned found = slots_with(bucket, tag);
    return found == 0 ? nullptr : &bucket.slots[std::countr_zero(found)];
  }

  /// Takes away the claims of a key, whoever made them: a dead process may have. True if the key
  /// has an entry.
  bool has_entry_without_claims(std::uint64_t tag, const Place& place) {
    return any(place, [tag](Entry& slot) {
      Entry seen = load(slot);
      for (; seen.tag == (tag | kPending); seen = load(slot)) {
        Hooks::step();
        // Once is enough: who claims from now on meets what was written before. To insist would let
        // two processes keep each other busy for ever.
        if (Hooks::swap(slot, seen, {})) return false;
      }
      return seen.tag == tag;
    });
  }

  enum class Result : std::uint8_t {
    inserted,  ///< the entry is there, with the word asked for
    exists,    ///< somebody else inserted it
    full,      ///< no slot is free
    refused    ///< `word` gave nothing; no trace is left
  };
  struct Insertion {
    Result result = Result::full;
    Entry* entry = nullptr;
  };

  /// Gives the key an entry. `word(t)` is asked, last of all, for the word to begin with at time t,
  /// which is not before `now` nor before any word the key ever had; it may say nothing. Free slots
  /// that `spare` names are left alone.
  template <class Word, class Spare>
  Insertion insert(std::uint64_t tag, const Place& place, Ticks now, ClaimNumbers& numbers,
                   Word&& word, Spare&& spare) {
    for (;;) {
      const Survey survey = look(tag, place, now, spare);
      if (survey.confirmed != nullptr) return {Result::exists, survey.confirmed};
      if constexpr (!Hooks::kClaimsArePending) {
        if (survey.free == nullptr) return {Result::full, nullptr};
        const std::optional<Ticks> first = word(time_after(now));
        if (!first) return {Result::refused, nullptr};
        if (!Hooks::swap(*survey.free, survey.free_seen, {tag, *first})) continue;
        return {Result::inserted, survey.free};
      }
      Claim claim{survey.pending, survey.pending_word};
      if (claim.slot == nullptr) {
        if (survey.free == nullptr) return {Result::full, nullptr};
        if (!make_claim(tag, survey, now, numbers, claim)) continue;
      }
      if (std::optional<Insertion> done = confirm(tag, place, now, claim, word)) return *done;
    }
  }

  template <class Word>
  Insertion insert(std::uint64_t tag, const Place& place, Ticks now, ClaimNumbers& numbers,
                   Word&& word) {
    return insert(tag, place, now, numbers, word, [](const Entry&) { return false; });
  }

  /// The time to insert at: call it after looking through the buckets, never before.
  [[nodiscard]] Ticks time_after(Ticks now) const {
    if constexpr (!Hooks::kHorizon) return now;
    const Ticks horizon = times_->horizon.load();
    return now < horizon && !is_junk_horizon(horizon, now) ? horizon : now;
  }

  [[nodiscard]] std::uint64_t index_of(const Entry& entry) const {
    return static_cast<std::uint64_t>(&entry - buckets_->slots);
  }

  /// Calls `use` with the content of every slot in one of `parts` parts of the same size.
  template <class Use>
  void each(std::size_t part, std::size_t parts, Use&& use) const {
    const std::uint64_t end = count_ * (part + 1) / parts;
    for (std::uint64_t b = count_ * part / parts; b < end; ++b) {
      for (unsigned i = 0; i < slots_; ++i) use(load(buckets_[b].slots[i]));
    }
  }

 private:
  struct Survey {
    Entry* confirmed = nullptr;
    Entry* pending = nullptr;
    Ticks pending_word = 0;
    Entry* free = nullptr;
    Entry free_seen;
  };
  struct Claim {
    Entry* slot = nullptr;
    Ticks word = 0;
  };

  template <class Use>
  [[nodiscard]] bool any(const Place& place, Use&& use) const {
    const auto any_in = [&](Bucket& bucket) {
      return std::any_of(bucket.slots, bucket.slots + slots_, use);
    };
    return any_in(*place.first()) || (place.other != place.home && any_in(*place.second()));
  }

  /// Looks through both buckets in the common order: is the key there, is it claimed, and which
  /// slot is free? One at home, where it is found with one cache miss less, unless home is crowded;
  /// then one of the bucket with fewer live entries.
  template <class Spare>
  Survey look(std::uint64_t tag, const Place& place, Ticks now, Spare& spare) const {
    Survey survey;
    unsigned fewest = slots_ + 1;
    for (Bucket* bucket : {place.first(), place.second()}) {
      unsigned live = 0;
      Entry* free = nullptr;
      Entry free_seen;
      for (unsigned i = 0; i < slots_; ++i) {
        Hooks::step();
        Entry& slot = bucket->slots[i];
        const Entry seen = load(slot);
        if (seen.tag == tag) {
          survey.confirmed = &slot;
          return survey;
        }
        if (seen.tag == (tag | kPending) && survey.pending == nullptr) {
          survey.pending = &slot;
          survey.pending_word = seen.word;
        }
        if (seen.word > now && !is_junk(seen.word, now, furthest_)) {
          ++live;
        } else if (free == nullptr && !spare(slot)) {
          free = &slot;
          free_seen = seen;
        }
      }
      const unsigned weight = bucket == place.home && live < kCrowded ? 0 : live + 1;
      if (free != nullptr && weight < fewest) {
        fewest = weight;
        survey.free = free;
        survey.free_seen = free_seen;
      }
      if (place.other == place.home) break;
    }
    return survey;
  }

  bool make_claim(std::uint64_t tag, const Survey& survey, Ticks now, ClaimNumbers& numbers,
                  Claim& claim) {
    const Entry& seen = survey.free_seen;
    const bool evicts = seen.tag != 0 && (seen.tag & kPending) == 0;
    mend_horizon(now);
    if (is_junk(seen.word, now, furthest_)) {
      // Nothing is known of its key, and raising the horizon would carry the damage to all others.
      count_repair();
    } else if (Hooks::kHorizon && evicts) {
      // Before the eviction, so that whoever misses the entry finds the horizon raised.
      raise(times_->horizon, seen.word);
    }
    Hooks::step();
    const Ticks until = time_after(now) + kClaimLife;
    claim = {survey.free,
             (until & ~ClaimNumbers::kMask) + ClaimNumbers::kMask + 1 + numbers.next()};
    if (!Hooks::swap(*claim.slot, seen, {tag | kPending, claim.word})) return false;
    if (evicts) evictions_->fetch_add(1, std::memory_order_relaxed);
    Hooks::step();
    return true;
  }

  /// A horizon that nobody wrote is what it would be had an entry been evicted just now.
  void mend_horizon(Ticks now) {
    Ticks horizon = times_->horizon.load();
    if (is_junk_horizon(horizon, now) && times_->horizon.compare_exchange_strong(horizon, now)) {
      count_repair();
    }
  }
  [[nodiscard]] bool is_junk_horizon(Ticks horizon, Ticks now) const {
    return horizon > kLatest ||
           is_junk(horizon, now, furthest_);  // nothing is ever evicted later than that
  }
  void count_repair() { times_->repairs.fetch_add(1, std::memory_order_relaxed); }

  /// From claim to confirmation. Nothing: begin again.
  template <class Word>
  std::optional<Insertion> confirm(std::uint64_t tag, const Place& place, Ticks now, Claim claim,
                                   Word& word) {
    if (!alone(tag, place, claim)) return std::nullopt;
    Hooks::step();
    const std::optional<Ticks> first = word(time_after(now));
    Hooks::step();
    const Entry claimed{tag | kPending, claim.word};
    if (!first) {
      return Hooks::swap(*claim.slot, claimed, {})
                 ? std::optional(Insertion{Result::refused, nullptr})
                 : std::nullopt;
    }
    if (!Hooks::swap(*claim.slot, claimed, {tag, *first})) return std::nullopt;
    return Insertion{Result::inserted, claim.slot};
  }

  /// After the claim: looks at every other slot of the pair. A confirmed entry ends the claim; of
  /// several claims of one key the first in the common order goes on, whoever made it. True if
  /// `claim` (perhaps another than before) stands and nothing else of the key was seen.
  bool alone(std::uint64_t tag, const Place& place, Claim& claim) {
    const std::uint64_t pending = tag | kPending;
    for (bool again = true; again;) {
      again = false;
      const bool lost = any(place, [&](Entry& slot) {
        if (&slot == claim.slot) return false;
        Hooks::step();
        Entry seen = load(slot);
        while (seen.tag == pending) {
          if (&slot < claim.slot) {
            Hooks::swap(*claim.slot, {pending, claim.word}, {});
            claim = {&slot, seen.word};
            again = true;
            return true;
          }
          // Take a later claim away only while the own one stands: else two could undo each other.
          if (load(*claim.slot) != Entry{pending, claim.word}) return true;
          Hooks::step();
          Hooks::swap(slot, seen, {});
          seen = load(slot);
        }
        if (seen.tag == tag) {
          Hooks::swap(*claim.slot, {pending, claim.word}, {});
          return true;
        }
        return false;
      });
      if (lost && !again) return false;
    }
    return true;
  }

  Bucket* buckets_ = nullptr;
  std::uint64_t count_ = 0;
  unsigned slots_ = kBucketSlots;
  SharedTimes* times_ = nullptr;
  std::atomic<std::uint64_t>* evictions_ = nullptr;
  Ticks furthest_ = kFurthestAhead;
};

}  // namespace tidegate
