// Groups: the charges of one request, all or nothing. Part of store_core.hpp.
//
// Look at every cell; if any says no, nothing is written. Else give every key an entry, then write
// one cell after the other, the shortest window first (what a death in between leaves charged is
// then forgotten soonest). Where a cell moved meanwhile, what was written is put back, each only if
// it is still exactly as written, and all begins again.
#pragma once

namespace tidegate {

template <class Hooks>
void StoreCore<Hooks>::decide_groups(std::span<const Charge> charges,
                                     std::span<const std::uint32_t> group_ends, Ticks now,
                                     Verdict* verdicts) {
  std::size_t first = 0;  // the first charge of the groups that are left
  while (!group_ends.empty()) {
    if (group_ends[0] - first > kMaxGroup) {
      for (; first < group_ends[0]; ++first) *verdicts++ = {};
      group_ends = group_ends.subspan(1);
      continue;
    }
    // As many groups as fit, one at least.
    std::size_t groups = 1;
    while (groups < group_ends.size() && group_ends[groups] - first <= kBatchCharges) ++groups;
    Cells cells;
    add_cells(charges.subspan(first, group_ends[groups - 1] - first), cells);
    for (const Cell& cell : cells) Table::prefetch(*cell.key.place.home);
    for (Cell& cell : cells) {
      cell.entry = Table::find_in(*cell.key.place.home, cell.key.tag);
      if (cell.entry == nullptr) Table::prefetch(*cell.key.place.other);
    }
    for (Cell& cell : cells) {
      if (cell.entry == nullptr) {
        cell.entry = Table::find_in(*cell.key.place.other, cell.key.tag);
      }
    }
    std::span<Cell> rest = cells;
    for (std::size_t i = 0; i < groups; ++i) {
      const std::size_t size = group_ends[i] - first;
      decide_cells(rest.first(size), now, verdicts);
      rest = rest.subspan(size);
      verdicts += size;
      first += size;
    }
    group_ends = group_ends.subspan(groups);
  }
}

/// Cells may have been found already. Fills in a verdict for each.
template <class Hooks>
auto StoreCore<Hooks>::decide_cells(std::span<Cell> cells, Ticks now, Verdict* verdicts)
    -> GroupResult {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    bool admitted = true;
    bool takes = false;
    bool ready = true;
    for (Cell& cell : cells) {
      Hooks::step();
      if (attempt != 0 || cell.entry == nullptr) find(cell);
      look(cell, now);
      admitted = admitted && cell.admitted;
      takes = takes || cell.charge->cost != 0;
      ready = ready && cell.entry != nullptr;
    }
    if (!admitted || !takes) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        make_verdict(verdicts[i], [&] { return verdict_before(cells[i], now); });
      }
      // It counts only if what said so is the key's own, of one moment, and sound.
      bool sound = true;
      for (const Cell& cell : cells) {
        sound = stands(cell) && (cell.admitted || !repaired(cell, now)) && sound;
      }
      if (!sound) continue;
      return admitted ? GroupResult::admitted : GroupResult::rejected;
    }

    if (!ready && !provide_all(cells, now)) continue;
    // Told before it is written: afterwards others may have been let in too.
    for (std::size_t i = 0; i < cells.size(); ++i) {
      make_verdict(verdicts[i], [&] { return verdict_after(cells[i], now); });
    }
    if (write_all(cells)) return GroupResult::admitted;
  }
  // Too many at once for one client, or a log that is damaged: refuse rather than wait.
  for (const Cell& cell : cells) repaired(cell, now);
  header_.counts.conflicts.fetch_add(1, std::memory_order_relaxed);
  for (const Cell& cell : cells) {
    Verdict& verdict = *verdicts++;
    verdict = verdict_before(cell, now);
    verdict.admitted = false;
    verdict.quota.retry_after_us = std::max(verdict.quota.retry_after_us, Micros{1});
  }
  return GroupResult::conflict;
}

/// Reads what the charge would be put to, and works out what would come of it.
template <class Hooks>
inline void StoreCore<Hooks>::look(Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  cell.overflows = false;
  cell.older = 0;
  cell.now = now;
  if (key.rings != nullptr && !key.rings->older.empty()) [[unlikely]] {
    look_at_older(cell, now);
    now = cell.now;
  }
  if (cell.entry == nullptr) {
    cell.now = table_of(key).time_after(now);
    cell.seen = shared_at(key, cell.now);
    // A log cannot begin from a word: while the shared one lives the key stays with it.
    cell.overflows = key.rings != nullptr && cell.seen != 0;
  } else {
    cell.seen = load(*cell.entry).word;
  }
  if (cell.entry == nullptr || key.rings == nullptr) {
    const Step next = step_of(cell);
    cell.next = next.word;
    cell.admitted = next.admitted;
    return;
  }
  look_at_log(cell, now);
}

template <class Hooks>
void StoreCore<Hooks>::look_at_log(Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  const Window& window = key.counter->window;
  if (cell.seen > window.window) cell.now = std::max(now, cell.seen - window.window);
  const Ring ring = key.rings->ring_of(*cell.entry);
  cell.view = ring.view(cell.now, window.limit - cell.older);
  cell.now = cell.view.now;
  cell.next = std::max(cell.seen, cell.now + window.window);
  cell.admitted = ring.admits(cell.view, cell.charge->cost, window.window);
}

/// True if all cells can be written at once.
template <class Hooks>
bool StoreCore<Hooks>::provide_all(std::span<Cell> cells, Ticks now) {
  bool ready = true;
  for (Cell& cell : cells) {
    if (cell.charge->cost != 0 && cell.entry == nullptr && !cell.overflows) {
      ready = provide(cell, cells, now) && ready;
    }
  }
  return ready;
}

/// Gives the key of a cell an entry that counts nothing yet. True if the cell can be written at
/// once: only where there is no room and it goes to the shared word.
///
/// An entry that counts nothing may be as good as free. So those of the same group are spared: else
/// two of its keys could take each other's only slot for ever.
template <class Hooks>
bool StoreCore<Hooks>::provide(Cell& cell, std::span<const Cell> group, Ticks now) {
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
  const auto of_the_group = [&](const Entry& slot) {
    return std::ranges::find(group, &slot, &Cell::entry) != group.end();
  };
  const auto inserted =
      table_of(key).insert(key.tag, key.place, now, numbers_, nothing_counted, of_the_group);
  if (inserted.result != Table::Result::full) {
    cell.entry = inserted.entry;
    return false;
  }
  cell.overflows = true;
  cell.now = table_of(key).time_after(now);
  cell.seen = shared_of(key).load();
  const Step next = step_of(cell);
  cell.next = next.word;
  return next.admitted;
}

/// Writes every cell, the shortest window first, or none.
template <class Hooks>
bool StoreCore<Hooks>::write_all(std::span<Cell> cells) {
  boost::container::static_vector<Cell*, kMaxGroup> order;
  for (Cell& cell : cells) {
    std::size_t at = order.size();
    order.push_back(&cell);
    for (; at > 0 && length_of(*order[at - 1]) > length_of(cell); --at) order[at] = order[at - 1];
    order[at] = &cell;
  }

  std::size_t written = 0;
  while (written < order.size() && write(*order[written])) {
    ++written;
    Hooks::step();
  }
  if (written == order.size()) return true;
  while (written-- > 0) {
    Hooks::step();
    if (!take_back(*order[written])) {
      header_.counts.conflicts.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return false;
}

/// False if the cell moved meanwhile; then nothing is written.
template <class Hooks>
inline bool StoreCore<Hooks>::write(Cell& cell) {
  if (cell.charge->cost == 0) return stands(cell);
  const Key& key = cell.key;
  if (cell.overflows) return write_overflow(cell);
  if (key.rings != nullptr) return write_log(cell);
  return Hooks::swap(*cell.entry, {key.tag, cell.seen}, {key.tag, cell.next});
}

template <class Hooks>
bool StoreCore<Hooks>::write_log(Cell& cell) {
  const Key& key = cell.key;
  const Ticks window = key.counter->window.window;
  // First the entry is kept for as long as the stamps will count: else it might go to another
  // client, and the stamps with it.
  for (;;) {
    const Entry seen = load(*cell.entry);
    if (seen.tag != key.tag) return false;
    if (Hooks::swap(*cell.entry, seen, {key.tag, std::max(seen.word, cell.next)})) break;
  }
  Hooks::step();
  Ring ring = key.rings->ring_of(*cell.entry);
  if (!ring.take(cell.view, cell.charge->cost, window)) return false;
  Hooks::step();
  // One whose clock is later by a window may have taken the entry all the same; or the rings were
  // closed, and those who count elsewhere now have not seen these stamps.
  if (load_tag(*cell.entry) == key.tag && !superseded(key)) return true;
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
    return shared_of(key).compare_exchange_strong(mine, cell.seen);
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

/// What is told of a cell to which nothing was written.
template <class Hooks>
Verdict StoreCore<Hooks>::verdict_before(const Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  const Ticks window = key.counter->window.window;
  const std::uint64_t cost = cell.admitted ? 0 : cell.charge->cost;
  if (cell.older != 0) [[unlikely]]
    return {cell.admitted, quota_with_older(cell, now, cost, 0)};
  if (key.rings == nullptr || cell.entry == nullptr) {
    return {cell.admitted, quota_of(key.counter->window, cell.seen, cell.now, now, cost)};
  }
  const Ring ring = key.rings->ring_of(*cell.entry);
  return {cell.admitted, quota_of(ring, cell.view, window, now, cost)};
}

/// What is told of a cell once it is written.
template <class Hooks>
inline Verdict StoreCore<Hooks>::verdict_after(const Cell& cell, Ticks now) const {
  const Key& key = cell.key;
  if (cell.charge->cost == 0) return verdict_before(cell, now);
  if (cell.older != 0) [[unlikely]]
    return {true, quota_with_older(cell, now, 0, cell.charge->cost)};
  if (key.rings == nullptr || cell.overflows) {
    return {true, quota_of(key.counter->window, cell.next, cell.now, now, 0)};
  }
  return {true, quota_after(key.rings->ring_of(*cell.entry), cell.view, cell.charge->cost,
                            key.counter->window.window, now)};
}

template <class Hooks>
bool StoreCore<Hooks>::reset(const Charge& charge, Ticks now) {
  Charge nothing = charge;
  nothing.cost = 0;
  Cell cell(*this, nothing);
  const bool older = cell.key.rings != nullptr && reset_older(cell, now);
  for (;;) {
    find(cell);
    look(cell, now);
    if (cell.entry == nullptr) return older;
    if (verdict_before(cell, now).quota.reset_us == 0) return older;
    if (cell.key.rings != nullptr) {
      // First kept, so that it is not the next client's log that is cleared.
      const Ticks kept = std::max(cell.seen, now + length_of(cell));
      if (!Hooks::swap(*cell.entry, {cell.key.tag, cell.seen}, {cell.key.tag, kept})) continue;
      cell.key.rings->ring_of(*cell.entry).clear();
      return true;
    }
    if (Hooks::swap(*cell.entry, {cell.key.tag, cell.seen}, {cell.key.tag, long_past()}))
      return true;
  }
}

template <class Hooks>
void StoreCore<Hooks>::reset_all(std::span<const Counter* const> counters, Ticks now) {
  if (counters.empty()) return;
  epochs_[counters.front()->rule]->number.fetch_add(1);
  // Those that share a word are forgotten with it.
  for (const Counter* counter : counters) {
    for (std::uint32_t i = 0; i < counter->overflow_count; ++i) {
      OverflowWord& word = overflow_[counter->overflow_first + i];
      Ticks seen = word.load();
      while (seen > now && !word.compare_exchange_weak(seen, long_past())) {
      }
    }
  }
}

}  // namespace tidegate
