// The log of sliding_window: a ring of the times of the last admissions. The slot about to be
// overwritten is the admission `slots` ago, so one look at it decides.
//
// Safe without a lock for two reasons. Two successive stamps of one slot are at least a window
// apart, so `slots` slots never hold more than `slots` admissions in a window, whatever the head
// says. And a rule with a smaller limit looks `limit` positions back from the position it takes:
// nobody fills a position that others have passed. So a slot is taken only if it is still as it was
// seen, and whoever gives stamps back begins a new *turn* of the ring before and after, in which
// everybody looks again.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "algo/window.hpp"
#include "core/time.hpp"

namespace tidegate {

/// A view on one ring in shared memory: a head, and `slots` stamps. A stamp is a time in ticks plus
/// one; 0 is free. The head is a position, and above its 48 bits the number of the turn.
class Ring {
 public:
  using Word = std::atomic<std::uint64_t>;

  Ring(Word* memory, std::uint32_t slots) : head_(memory), stamps_(memory + 1), slots_(slots) {}
  static constexpr std::uint64_t words(std::uint32_t slots) { return std::uint64_t{slots} + 1; }

  /// What a ring looked like at a moment, for a rule that admits `limit` of its slots.
  struct View {
    std::uint64_t head = 0;
    Ticks now = 0;  ///< the time used: not before the newest stamp
    std::uint64_t limit = 0;
    std::uint64_t oldest = 0;  ///< the stamp at the head
    std::uint64_t word = 0;    ///< the head's word, which may have lagged behind
  };

  /// `now` must not be before any time the key's entry allows (see RingSet).
  [[nodiscard]] View view(Ticks now, std::uint64_t limit) const {
    const std::uint64_t word = head_->load(std::memory_order_acquire);
    std::uint64_t head = word;
    std::uint64_t oldest = stamp(head);
    for (std::uint32_t i = 0; i < slots_; ++i) {
      const std::uint64_t newest = stamp(head + slots_ - 1);
      now = std::max(now, time_of(newest));
      // Somebody took the slot at the head and has not moved on (or died there): the next is older.
      // One that was given back is older than the newest, unless none of them counts any more.
      const std::uint64_t next = stamp(head + 1);
      if (slots_ == 1 || oldest <= next || oldest < newest) break;
      ++head;
      oldest = next;
    }
    return {head, now, std::min<std::uint64_t>(limit, slots_), oldest, word};
  }

  /// Whether nobody has taken or given back since: then what was read after the view is of its
  /// moment too.
  [[nodiscard]] bool unchanged(const View& view) const {
    return stamp(view.head) == view.oldest && head_->load() == view.word;
  }

  /// How many more the rule would admit.
  [[nodiscard]] std::uint64_t remaining(const View& view, Ticks window) const {
    // From the head on stamps grow: the first that still counts is found by halving. Those before
    // position slots - limit do not matter to a rule with a smaller limit.
    std::uint64_t low = 0;
    std::uint64_t high = view.limit;
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      if (free(counted(view, middle), view.now, window)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  [[nodiscard]] bool admits(const View& view, std::uint64_t cost, Ticks window) const {
    if (cost > view.limit) return false;
    // All of them: one that was given back may stand between others that still count.
    for (std::uint64_t i = cost; i-- > 0;) {
      if (!free(counted(view, i), view.now, window)) return false;
    }
    return true;
  }

  /// When `cost` would be admitted (ticks since the epoch), where it is not now.
  [[nodiscard]] Ticks admits_at(const View& view, std::uint64_t cost, Ticks window) const {
    return time_of(counted(view, cost - 1)) + window;
  }
  /// When nothing counts any more.
  [[nodiscard]] Ticks whole_at(const View& view, Ticks window) const {
    return time_of(stamp(view.head + slots_ - 1)) + window;
  }

  /// Stamps `cost` slots. False if another came in between; then nothing stays taken.
  bool take(const View& view, std::uint64_t cost, Ticks window) {
    // For whoever took the slot before and has not moved on, or never will.
    if (!move_head(view.head) || head_->load() != view.head) return false;
    for (std::uint64_t i = 0; i < cost; ++i) {
      // Those after the first are others' only with stamps that are not before `now`.
      std::uint64_t old = i == 0 ? view.oldest : stamp(view.head + i);
      const bool stamped = free(old, view.now, window) &&
                           slot(view.head + i).compare_exchange_strong(old, view.now + 1);
      if (stamped && move_head(view.head + i + 1)) continue;
      give_back(view, stamped ? i + 1 : i, window);
      return false;
    }
    return true;
  }

  /// Undoes take. The old stamps are not put back but ones exactly a window old: free from then on,
  /// and no earlier than what was there, so that a process whose time is late finds no slot that it
  /// should not. True if no trace is left.
  bool give_back(const View& view, std::uint64_t cost, Ticks window) {
    const std::uint64_t freed = view.now >= window ? view.now - window + 1 : 0;
    bool clean = true;
    for (std::uint64_t i = cost; i-- > 0;) {
      // A turn before the stamp goes, and one after: who looked in between must not be let in
      // beside one who looks afterwards. The head moves back only with the second.
      head_->fetch_add(kTurn);
      std::uint64_t mine = view.now + 1;
      clean = slot(view.head + i).compare_exchange_strong(mine, freed) && clean;
      clean = move_back(view.head + i) && clean;
    }
    return clean;
  }

  void clear() {
    for (std::uint32_t i = 0; i < slots_; ++i) stamps_[i].store(0, std::memory_order_release);
  }

  /// Whether something that nobody wrote stands where a decision on `cost` looks.
  [[nodiscard]] bool has_junk(const View& view, std::uint64_t cost, Ticks now,
                              Ticks furthest) const {
    if (view.head % kTurn > kLastHead || is_junk(view.now, now, furthest)) return true;
    for (std::uint64_t i = 0; i < cost; ++i) {
      if (is_junk(counted(view, i), now, furthest) ||
          is_junk(stamp(view.head + i), now, furthest)) {
        return true;
      }
    }
    return false;
  }

  /// Stamps that nobody wrote become ones of `now`, the strictest there are, and a head that cannot
  /// move on gets room. Whoever looked before looks again.
  void mend(Ticks now, Ticks furthest) {
    std::uint64_t head = head_->load(std::memory_order_acquire);
    // The same slot, in another turn.
    if (head % kTurn > kLastHead) {
      head_->compare_exchange_strong(head, (head / kTurn + 1) * kTurn + head % kTurn % slots_);
    }
    for (std::uint32_t i = 0; i < slots_; ++i) {
      std::uint64_t seen = stamps_[i].load(std::memory_order_acquire);
      if (is_junk(seen, now, furthest)) stamps_[i].compare_exchange_strong(seen, now + 1);
    }
  }

 private:
  static Ticks time_of(std::uint64_t stamp) { return stamp == 0 ? 0 : stamp - 1; }
  /// A window at `now` covers (now - window, now]: what is exactly a window old is out.
  static bool free(std::uint64_t stamp, Ticks now, Ticks window) {
    return stamp == 0 || (stamp <= now && now - (stamp - 1) >= window);
  }

  static constexpr std::uint64_t kTurn = std::uint64_t{1} << 48;
  /// At a million admissions a second a head gets here in four years; one beyond is junk.
  static constexpr std::uint64_t kLastHead = kTurn / 2;

  [[nodiscard]] Word& slot(std::uint64_t position) const {
    return stamps_[position % kTurn % slots_];
  }
  [[nodiscard]] std::uint64_t stamp(std::uint64_t position) const {
    return slot(position).load(std::memory_order_acquire);
  }
  /// The i-th oldest of the last `limit` admissions.
  [[nodiscard]] std::uint64_t counted(const View& view, std::uint64_t i) const {
    return stamp(view.head + slots_ - view.limit + i);
  }
  /// False if a turn began since `to` was worked out.
  bool move_head(std::uint64_t to) {
    std::uint64_t seen = head_->load(std::memory_order_acquire);
    while (seen / kTurn == to / kTurn && seen < to) {
      if (head_->compare_exchange_weak(seen, to)) return true;
    }
    return seen / kTurn == to / kTurn;
  }
  /// Begins a turn, and moves the head back to `position` if it stands right behind it; true if so.
  bool move_back(std::uint64_t position) {
    std::uint64_t seen = head_->load(std::memory_order_acquire);
    for (;;) {
      const bool behind = seen % kTurn == (position + 1) % kTurn;
      if (head_->compare_exchange_weak(seen, seen + kTurn - (behind ? 1 : 0))) return behind;
    }
  }

  Word* head_;
  Word* stamps_;
  std::uint32_t slots_;
};

}  // namespace tidegate
