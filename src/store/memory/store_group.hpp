// Groups: the charges of one request, all or nothing. Part of store_core.hpp.
//
// Look at every cell; if any says no, nothing is written. Else give every key an entry, then write
// one cell after the other, the shortest window first (what a death in between leaves charged is
// then forgotten soonest). Where a cell moved meanwhile, what was written is put back, each only if
// it is still exactly as written, and all begins again.
#pragma once

namespace tidegate {

template <class Hooks>
void StoreCore<Hooks>::decide_group(std::span<const Charge> charges, Ticks now, Verdict* verdicts) {
  constexpr std::size_t kMaxCells = 64;
  if (charges.size() > kMaxCells) {
    for (std::size_t i = 0; i < charges.size(); ++i) verdicts[i] = {};
    return;
  }
  std::array<Cell, kMaxCells> cells;
  std::array<std::uint8_t, kMaxCells> order;
  const std::size_t count = charges.size();
  for (std::size_t i = 0; i < count; ++i) {
    cells[i] = Cell(*this, charges[i]);
    prefetch(cells[i].key);
    order[i] = static_cast<std::uint8_t>(i);
  }
  const auto shorter = [&](std::uint8_t a, std::uint8_t b) {
    return std::pair(charges[a].counter->window.window, a) <
           std::pair(charges[b].counter->window.window, b);
  };
  std::sort(order.begin(), order.begin() + count, shorter);

  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    bool admitted = true;
    bool takes = false;
    bool stale = false;
    for (std::size_t i = 0; i < count; ++i) {
      Hooks::step();
      locate(cells[i], now);
      verdicts[i] = evaluate(cells[i], now);
      admitted = admitted && verdicts[i].admitted;
      takes = takes || charges[i].cost != 0;
      // A refusal counts only if the word that refused is the key's own.
      if (cells[i].entry != nullptr && load_tag(*cells[i].entry) != cells[i].key.tag) stale = true;
    }
    if (stale) continue;
    if (!admitted || !takes) {
      bool mended = false;
      for (std::size_t i = 0; i < count; ++i) {
        if (!verdicts[i].admitted) mended = repaired(cells[i], now) || mended;
      }
      if (mended) continue;
      return;
    }

    bool ready = true;
    for (std::size_t i = 0; i < count; ++i) {
      if (charges[i].cost != 0 && cells[i].entry == nullptr && !cells[i].overflows) {
        ready = provide(cells[i], now) && ready;
      }
    }
    if (!ready) continue;

    std::size_t written = 0;
    while (written < count && write(cells[order[written]])) {
      ++written;
      Hooks::step();
    }
    if (written == count) {
      for (std::size_t i = 0; i < count; ++i) verdicts[i] = verdict_after(cells[i], now);
      return;
    }
    while (written-- > 0) {
      Hooks::step();
      if (!take_back(cells[order[written]])) {
        header_.counts.conflicts.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }
  // Too many at once for one client, or a log that is damaged: refuse rather than wait.
  for (std::size_t i = 0; i < count; ++i) repaired(cells[i], now);
  header_.counts.conflicts.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    verdicts[i].admitted = false;
    verdicts[i].quota.retry_after_us = 1;
  }
}

/// Finds what the charge would be put to, and what it looks like now.
template <class Hooks>
void StoreCore<Hooks>::locate(Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  const Table& table = table_of(key);
  const Window& window = key.counter->window;
  cell.overflows = false;
  cell.now = now;
  cell.entry = table.find(key.tag, key.place);
  if (cell.entry == nullptr) {
    cell.now = table.time_after(now);
    cell.seen = shared_at(key, cell.now);
    // A log cannot begin from a word: while the shared one lives the key stays with it.
    cell.overflows = key.rings != nullptr && cell.seen != 0;
    return;
  }
  cell.seen = load(*cell.entry).word;
  if (key.rings == nullptr) return;
  if (cell.seen > window.window) cell.now = std::max(now, cell.seen - window.window);
  cell.view = key.rings->ring_of(*cell.entry).view(cell.now, window.limit);
  cell.now = cell.view.now;
}

/// Says what the cell would answer, and works out its next word.
template <class Hooks>
Verdict StoreCore<Hooks>::evaluate(Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  const Window& window = key.counter->window;
  const std::uint64_t cost = cell.charge->cost;
  if (key.rings == nullptr || cell.entry == nullptr) {
    const Step next = step_word(key, cell.seen, cell.now, cost);
    cell.next = next.word;
    return {next.admitted, quota_of(key, cell.seen, cell.now, now, next.admitted ? 0 : cost)};
  }
  const Ring ring = key.rings->ring_of(*cell.entry);
  const bool admitted = ring.admits(cell.view, cost, window.window);
  cell.next = std::max(cell.seen, cell.now + window.window);
  Quota quota = quota_of(ring, cell.view, window.window, now);
  if (!admitted) {
    quota.retry_after_us = wait(ring.admits_at(cell.view, cost, window.window), now);
  }
  return {admitted, quota};
}

/// Gives the key of a cell an entry that counts nothing yet. True if the cell can be written at
/// once: only where there is no room and it goes to the shared word.
template <class Hooks>
bool StoreCore<Hooks>::provide(Cell& cell, Ticks now) {
  const Key& key = cell.key;
  const Window& window = key.counter->window;
  const auto nothing_counted = [&](Ticks at) -> std::optional<Ticks> {
    if (const Ticks shared = shared_at(key, at); shared != 0) {
      return key.rings == nullptr ? std::optional(shared) : std::nullopt;
    }
    // Each is a word of its algorithm that counts nothing and is not before `at`: the words of a
    // key never go down.
    switch (window.algorithm) {
      case Algorithm::token_bucket:
        return at;
      case Algorithm::fixed_window:
        return at - at % window.window + window.window;
      case Algorithm::sliding_window_counter:
        return at - at % window.window + 2 * window.window;
      case Algorithm::sliding_window:
        return at + window.window;
    }
    return std::nullopt;
  };
  if (table_of(key).insert(key.tag, key.place, now, numbers_, nothing_counted).result !=
      Table::Result::full) {
    return false;
  }
  cell.overflows = true;
  cell.now = table_of(key).time_after(now);
  cell.seen = key.shared->load();
  const Step next = step_word(key, cell.seen, cell.now, cell.charge->cost);
  cell.next = next.word;
  return next.admitted;
}

template <class Hooks>
bool StoreCore<Hooks>::write(Cell& cell) {
  if (cell.charge->cost == 0) return true;
  const Key& key = cell.key;
  if (cell.overflows) return write_overflow(cell);
  if (key.rings == nullptr) {
    return Hooks::swap(*cell.entry, {key.tag, cell.seen}, {key.tag, cell.next});
  }
  const Ticks window = key.counter->window.window;
  Ring ring = key.rings->ring_of(*cell.entry);
  if (!ring.take(cell.view, cell.charge->cost, window)) return false;
  Hooks::step();
  // Keep the entry as long as the stamp counts. This also proves that the ring is still the key's.
  for (;;) {
    const Entry seen = load(*cell.entry);
    if (seen.tag != key.tag) break;
    if (Hooks::swap(*cell.entry, seen, {key.tag, std::max(seen.word, cell.next)})) return true;
  }
  ring.give_back(cell.view, cell.charge->cost, window);
  return false;
}

/// Undoes write, only if what was written still stands. False if it does not.
template <class Hooks>
bool StoreCore<Hooks>::take_back(Cell& cell) {
  if (cell.charge->cost == 0) return true;
  const Key& key = cell.key;
  if (cell.overflows) {
    Ticks mine = cell.next;
    return key.shared->compare_exchange_strong(mine, cell.seen);
  }
  if (key.rings != nullptr) {
    return key.rings->ring_of(*cell.entry)
        .give_back(cell.view, cell.charge->cost, key.counter->window.window);
  }
  if constexpr (!Hooks::kUndoesExactly) {
    const Entry seen = load(*cell.entry);
    const Ticks less = seen.word - (cell.next - cell.seen);
    return Hooks::swap(*cell.entry, seen, {seen.tag, less});
  }
  return Hooks::swap(*cell.entry, {key.tag, cell.next}, {key.tag, cell.seen});
}

template <class Hooks>
Verdict StoreCore<Hooks>::verdict_after(const Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  const Window& window = key.counter->window;
  if (cell.charge->cost == 0) {
    Cell looked = cell;
    return evaluate(looked, now);
  }
  if (key.rings == nullptr || cell.overflows) {
    return {true, quota_of(key, cell.next, cell.now, now, 0)};
  }
  const Ring::View after{cell.view.head + cell.charge->cost, cell.view.now, cell.view.limit};
  const Ring ring = key.rings->ring_of(*cell.entry);
  return {true, quota_of(ring, after, window.window, now)};
}

template <class Hooks>
bool StoreCore<Hooks>::reset(const Charge& charge, Ticks now) {
  Cell cell(*this, charge);
  Charge look = charge;
  look.cost = 0;
  for (;;) {
    cell.charge = &look;
    locate(cell, now);
    if (cell.entry == nullptr) return false;
    const Verdict before = evaluate(cell, now);
    if (before.quota.reset_us == 0) return false;
    if (cell.key.rings != nullptr) {
      cell.key.rings->ring_of(*cell.entry).clear();
      return true;
    }
    // Not the old word of anybody's undo: a number of our own, long past.
    const Ticks forgotten = 1 + numbers_.next();
    if (Hooks::swap(*cell.entry, {cell.key.tag, cell.seen}, {cell.key.tag, forgotten})) return true;
  }
}

}  // namespace tidegate
