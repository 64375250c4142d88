// Damage: what nobody wrote, and is found while deciding. Part of store_core.hpp.
//
// Only what can be told from sound state, a time further ahead than any can be, and only where
// somebody is refused: whoever is let in pays nothing for it. It becomes the state of a client who
// has just taken all there is. So damage gives one allowance at most, and locks nobody out for
// longer than such a client would wait.
#pragma once

namespace tidegate {

/// `seen` is a junk word: of the entry, or the shared one if there is none.
template <class Hooks>
void StoreCore<Hooks>::repair(const Key& key, Entry* entry, Ticks seen, Ticks now) {
  const Window& window = key.counter->window;
  const bool logs = key.rings != nullptr && entry != nullptr;
  const Ticks spent =
      logs ? now + window.window : step_word(key.counter->window, 0, now, window.capacity).word;
  const bool done = entry != nullptr ? Hooks::swap(*entry, {key.tag, seen}, {key.tag, spent})
                                     : shared_of(key).compare_exchange_strong(seen, spent);
  if (done) times_of(key).repairs.fetch_add(1, std::memory_order_relaxed);
}

/// Looks at what a charge was refused on, the log behind its entry too. True if there was damage:
/// look again.
template <class Hooks>
bool StoreCore<Hooks>::repaired(const Cell& cell, Ticks now) {
  const Key& key = cell.key;
  const bool junk = is_junk(cell.seen, now, furthest_);
  if (junk) repair(key, cell.entry, cell.seen, now);
  if (key.rings == nullptr || cell.entry == nullptr) return junk;
  Ring ring = key.rings->ring_of(*cell.entry);
  if (!ring.has_junk(cell.view, cell.charge->cost, now, furthest_)) return junk;
  ring.mend(now, furthest_);
  times_of(key).repairs.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace tidegate
