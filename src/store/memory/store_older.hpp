// Closed rings: of rules whose limit grew past the rings they had. What they hold still counts
// until it has aged out of the window, and nothing is added to them. Part of store_core.hpp.
//
// Whoever stamps looks afterwards whether the rings were closed meanwhile, and takes it back; who
// closes them has done so before anybody reads them as closed. So no stamp is missed.
#pragma once

namespace tidegate {

template <class Hooks>
RingSet<Hooks> StoreCore<Hooks>::ring_set_of(const Share& share) const {
  Ring::Word* const start = shared().log.data() + share.ring_first * kLogUnit;
  const auto layout = RingSetLayout::of(share.ring_units * kLogUnit, share.ring_slots);
  return {.table = SlotTable<Hooks>(reinterpret_cast<Bucket*>(start), layout.buckets,
                                    layout.slots_per_bucket, header_.ring_times,
                                    header_.counts.evictions, furthest_),
          .rings = start + layout.rings_at,
          .ring_slots = share.ring_slots,
          .ended_at = &share.ended_at,
          .key = share.key,
          .older = {}};
}

template <class Hooks>
RingSet<Hooks> StoreCore<Hooks>::ring_set_of(const RingShares& shares) const {
  RingSet<Hooks> set = ring_set_of(*shares.open);
  for (const Share* old : shares.older) set.older.push_back(ring_set_of(*old));
  return set;
}

template <class Hooks>
const RingSet<Hooks>* StoreCore<Hooks>::successor(const RingSet<Hooks>& rings) const {
  Successor* first = successors_.load(std::memory_order_acquire);
  for (const Successor* each = first; each != nullptr; each = each->next) {
    if (each->rings.key == rings.key && !each->rings.closed()) return &each->rings;
  }
  const RingShares shares = find_rings(shared(), rings.key);
  if (shares.open == nullptr || shares.open->ring_slots < rings.ring_slots) return &rings;
  // Two threads may both add them: one is as good as the other.
  auto* const found = new Successor{.rings = ring_set_of(shares), .next = nullptr};
  do {
    found->next = first;
  } while (!successors_.compare_exchange_weak(first, found, std::memory_order_acq_rel));
  return &found->rings;
}

/// Calls `use(ring)` with each closed ring of the cell's key that may still count.
template <class Hooks>
template <class Use>
void StoreCore<Hooks>::each_older(const Cell& cell, Ticks now, Use&& use) const {
  // The times of those who stamped last may be a little later than that of who closed.
  constexpr Ticks kLate = Ticks{10} * 1'000'000 * kTicksPerMicro;
  const Counter& counter = *cell.key.counter;
  const Hash128 key = cell.charge->client ^ in_epoch(counter.key, epoch_of(counter));
  for (const RingSet<Hooks>& set : cell.key.rings->older) {
    if (set.ended_at->load() + counter.window.window + kLate <= now) continue;
    const Entry* const entry = set.table.find(cell.key.tag, set.table.place(key.high, 0));
    if (entry == nullptr || load(*entry).word <= now) continue;
    Ring ring = set.ring_of(*entry);
    const Ring::View view = ring.view(now, set.ring_slots);
    if (is_junk(view.now, now, furthest_)) ring.mend(now, furthest_);
    use(ring, set.ring_slots);
  }
}

template <class Hooks>
void StoreCore<Hooks>::look_at_older(Cell& cell, Ticks now) const {
  const Window& window = cell.key.counter->window;
  each_older(cell, now, [&](const Ring& ring, std::uint32_t slots) {
    const Ring::View view = ring.view(cell.now, slots);
    cell.now = std::max(cell.now, view.now);
    cell.older += slots - ring.remaining(view, window.window);
  });
  cell.older = std::min(cell.older, window.limit);
}

/// What the charge of a cell without a log of its own does to the word it would begin with.
template <class Hooks>
Step StoreCore<Hooks>::step_of(const Cell& cell) const {
  const Window& window = cell.key.counter->window;
  if (cell.older == 0) [[likely]] {
    return step_word(window, cell.seen, cell.now, cell.charge->cost);
  }
  Window less = window;
  less.limit -= cell.older;
  less.capacity = less.limit;
  return step_word(less, cell.seen, cell.now, cell.charge->cost);
}

/// The quota of a key that has closed rings: before `asked` is let in, or, where `taken` is not 0,
/// once that is taken.
template <class Hooks>
Quota StoreCore<Hooks>::quota_with_older(const Cell& cell, Ticks now, std::uint64_t asked,
                                         std::uint64_t taken) const {
  const Key& key = cell.key;
  const Window& window = key.counter->window;
  const Ticks at = cell.now;
  // Units that count at a time from `at` on, if nobody else asks.
  const auto used = [&](Ticks time) {
    std::uint64_t units = time < at + window.window ? taken : 0;
    if (cell.entry == nullptr) {
      units += log_overflow::count_at(cell.seen, time);
    } else {
      const Ring ring = key.rings->ring_of(*cell.entry);
      const Ring::View view = ring.view(time, key.rings->ring_slots);
      units += key.rings->ring_slots - ring.remaining(view, window.window);
    }
    each_older(cell, at, [&](const Ring& ring, std::uint32_t slots) {
      units += slots - ring.remaining(ring.view(time, slots), window.window);
    });
    return units;
  };
  const auto until_at_most = [&](std::uint64_t units) {
    Ticks low = at;
    Ticks high = std::max(at + window.window, cell.entry == nullptr ? cell.seen : 0);
    while (low < high) {
      const Ticks middle = low + (high - low) / 2;
      if (used(middle) <= units) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return wait_until(low, now);
  };
  const std::uint64_t all = used(at);
  const std::uint64_t left = all < window.limit ? window.limit - all : 0;
  return {.remaining = left,
          .reset_us = all == 0 ? 0 : until_at_most(0),
          .retry_after_us = asked == 0 || asked <= left ? 0 : until_at_most(window.limit - asked),
          .more_after_us = left == window.limit ? wait_until(at + window.window, now)
                                                : until_at_most(window.limit - left - 1)};
}

/// True if there was something to forget.
template <class Hooks>
bool StoreCore<Hooks>::reset_older(const Cell& cell, Ticks now) {
  bool any = false;
  each_older(cell, now, [&](Ring& ring, std::uint32_t slots) {
    any = any || ring.remaining(ring.view(now, slots), length_of(cell)) != slots;
    ring.clear();
  });
  return any;
}

}  // namespace tidegate
