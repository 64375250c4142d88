// The log of sliding_window: a ring of the times of the last admissions. The slot about to be
// overwritten is the admission `slots` ago, so one look at it decides.
//
// Safe without a lock for one reason: two successive stamps of one slot are at least a window
// apart, so `slots` slots never hold more than `slots` admissions in a window, whatever the head
// says. The head only decides who is refused without need.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "algo/window.hpp"
#include "core/time.hpp"

namespace tidegate {

/// A view on one ring in shared memory: a head, and `slots` stamps. A stamp is a time in ticks plus
/// one; 0 is free.
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
  };

  /// `now` must not be before any time the key's entry allows (see RingSet).
  [[nodiscard]] View view(Ticks now, std::uint64_t limit, Ticks window) const {
    std::uint64_t head = head_->load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < slots_; ++i) {
      now = std::max(now, time_of(stamp(head + slots_ - 1)));
      // Somebody took the slot at the head and has not moved on (or died there): the next is older.
      const bool behind =
          slots_ > 1 && !free(stamp(head), now, window) && stamp(head + 1) < stamp(head);
      if (!behind) break;
      ++head;
    }
    return {head, now, std::min<std::uint64_t>(limit, slots_)};
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
    return cost == 0 || free(counted(view, cost - 1), view.now, window);
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
    move_head(view.head);  // for whoever took the slot before and has not, or never will
    for (std::uint64_t i = 0; i < cost; ++i) {
      std::uint64_t old = stamp(view.head + i);
      if (!free(old, view.now, window) ||
          !slot(view.head + i).compare_exchange_strong(old, view.now + 1)) {
        give_back(view, i, window);
        return false;
      }
      move_head(view.head + i + 1);
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
      std::uint64_t mine = view.now + 1;
      clean = slot(view.head + i).compare_exchange_strong(mine, freed) && clean;
    }
    std::uint64_t ahead = view.head + cost;
    return (cost == 0 || head_->compare_exchange_strong(ahead, view.head)) && clean;
  }

  void clear() {
    for (std::uint32_t i = 0; i < slots_; ++i) stamps_[i].store(0, std::memory_order_release);
  }

 private:
  static Ticks time_of(std::uint64_t stamp) { return stamp == 0 ? 0 : stamp - 1; }
  /// A window at `now` covers (now - window, now]: what is exactly a window old is out.
  static bool free(std::uint64_t stamp, Ticks now, Ticks window) {
    return stamp == 0 || stamp - 1 + window <= now;
  }

  [[nodiscard]] Word& slot(std::uint64_t position) const { return stamps_[position % slots_]; }
  [[nodiscard]] std::uint64_t stamp(std::uint64_t position) const {
    return slot(position).load(std::memory_order_acquire);
  }
  /// The i-th oldest of the last `limit` admissions.
  [[nodiscard]] std::uint64_t counted(const View& view, std::uint64_t i) const {
    return stamp(view.head + slots_ - view.limit + i);
  }
  void move_head(std::uint64_t to) {
    std::uint64_t seen = head_->load(std::memory_order_acquire);
    while (seen < to && !head_->compare_exchange_weak(seen, to)) {
    }
  }

  Word* head_;
  Word* stamps_;
  std::uint32_t slots_;
};

}  // namespace tidegate
