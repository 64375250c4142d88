// The decisions of the in-memory store, on memory that is laid out already. A template over its
// hooks, so that tests can put themselves between any two steps.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <boost/container/static_vector.hpp>

#include "algo/algorithms.hpp"
#include "store/charge.hpp"
#include "store/memory/epochs.hpp"
#include "store/memory/hooks.hpp"
#include "store/memory/layout.hpp"
#include "store/memory/overflow.hpp"
#include "store/memory/quota.hpp"
#include "store/memory/ring_set.hpp"
#include "store/memory/shares.hpp"
#include "store/memory/slot_table.hpp"
#include "store/penalties.hpp"

namespace tidegate {

template <class Hooks>
class StoreCore {
 public:
  using Table = SlotTable<Hooks>;
  static constexpr std::size_t kBatch = 16;         ///< single charges looked at together
  static constexpr std::size_t kBatchCharges = 32;  ///< charges of groups looked at together
  static constexpr std::size_t kMaxGroup = 64;      ///< charges in a group

  /// What lies more than `furthest` ahead of a decision's time is damage.
  StoreCore(std::byte* memory, const StoreGeometry& geometry, std::uint64_t attachment,
            Ticks furthest = kFurthestAhead)
      : layout_(geometry),
        memory_(memory),
        header_(*reinterpret_cast<StoreHeader*>(memory)),
        overflow_(reinterpret_cast<OverflowWord*>(memory + layout_.overflow_at)),
        epochs_{reinterpret_cast<Epoch*>(memory + layout_.epochs_at)},
        table_(reinterpret_cast<Bucket*>(memory + layout_.buckets_at), layout_.buckets,
               kBucketSlots, header_.table_times, header_.counts.evictions, furthest),
        numbers_(attachment),
        furthest_(furthest) {}

  /// The parts of the memory that are handed out.
  [[nodiscard]] Shared shared() const {
    return {.shares = {reinterpret_cast<Share*>(memory_ + layout_.shares_at), kShares},
            .shares_used = &header_.shares_used,
            .overflow = {overflow_, kOverflowEntries},
            .log = {reinterpret_cast<Ring::Word*>(memory_ + layout_.log_at), layout_.log_words},
            .overflow_until = std::max(header_.table_times.overflow_until.load(),
                                       header_.ring_times.overflow_until.load())};
  }
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;
  ~StoreCore() {
    for (Successor* each = successors_.load(); each != nullptr;)
      delete std::exchange(each, each->next);
  }

  void set_rings(std::vector<RingSet<Hooks>> rings) { rings_ = std::move(rings); }
  void set_rings(std::span<const RingShares> shares) {
    rings_.clear();
    for (const RingShares& each : shares) rings_.push_back(ring_set_of(each));
  }
  /// Claims of two processes must differ.
  void renumber(std::uint64_t attachment) { numbers_.renumber(attachment); }
  /// The epoch of each rule, by its number. Before that every counter is of rule 0.
  void set_epochs(std::vector<Epoch*> epochs) { epochs_ = std::move(epochs); }

  /// One charge that is a group of its own.
  void decide(const Charge& charge, Ticks now, Verdict& verdict) {
    const Key key = key_of(charge);
    prefetch(key);
    make_verdict(verdict, [&] { return decide(key, charge, now); });
  }

  /// Charges that are a group each. All are found before the first is changed: a locked instruction
  /// keeps the processor from looking ahead.
  void decide(std::span<const Charge> charges, Ticks now, Verdict* verdicts) {
    std::array<Key, kBatch> keys;
    while (!charges.empty()) {
      const std::size_t count = std::min(kBatch, charges.size());
      for (std::size_t i = 0; i < count; ++i) {
        keys[i] = key_of(charges[i]);
        Table::prefetch(*keys[i].place.home);
      }
      std::array<Entry*, kBatch> found;
      for (std::size_t i = 0; i < count; ++i) {
        found[i] = Table::find_in(*keys[i].place.home, keys[i].tag);
        if (found[i] == nullptr) Table::prefetch(*keys[i].place.other);
      }
      for (std::size_t i = 0; i < count; ++i) {
        if (found[i] == nullptr) found[i] = Table::find_in(*keys[i].place.other, keys[i].tag);
      }
      for (std::size_t i = 0; i < count; ++i) {
        // An earlier charge of the batch may have inserted the key.
        Entry* const entry =
            found[i] != nullptr ? found[i] : table_of(keys[i]).find(keys[i].tag, keys[i].place);
        make_verdict(verdicts[i], [&] { return decide(keys[i], charges[i], now, entry); });
      }
      charges = charges.subspan(count);
      verdicts += count;
    }
  }

  enum class GroupResult : std::uint8_t {
    admitted,
    rejected,
    conflict  ///< refused, because too many asked for one client at once
  };

  /// Several charges, all or nothing.
  GroupResult decide_group(std::span<const Charge> charges, Ticks now, Verdict* verdicts) {
    Cells cells;
    add_cells(charges, cells);
    for (const Cell& cell : cells) prefetch(cell.key);
    return decide_cells(cells, now, verdicts);
  }

  /// Many groups, each all or nothing: group i ends before charges[group_ends[i]]. As with single
  /// charges, what several groups need is fetched at once.
  void decide_groups(std::span<const Charge> charges, std::span<const std::uint32_t> group_ends,
                     Ticks now, Verdict* verdicts);

  /// One group of a client who may be locked out: see store/penalties.hpp.
  Cooldown decide_group(std::span<const Charge> charges, Ticks now, Verdict* verdicts,
                        const Penalties& penalties, const Hash128& client);
  /// When the client's cooldown ends; 0: he has none.
  [[nodiscard]] Ticks cooldown_until(const Penalties& penalties, const Hash128& client,
                                     Ticks now) const;

  [[nodiscard]] Verdict peek(const Charge& charge, Ticks now) const {
    Cell cell(*this, charge);
    for (int attempt = 1;; ++attempt) {
      find(cell);
      look(cell, now);
      const Verdict verdict = verdict_before(cell, now);
      if (stands(cell) || attempt == kAttempts) return verdict;
    }
  }

  bool reset(const Charge& charge, Ticks now);
  /// Forgets a client's violations and ends his cooldown. True if there was something to forget.
  bool reset(const Penalties& penalties, const Hash128& client, Ticks now);
  /// Forgets all clients of the rule that `counters` belong to.
  void reset_all(std::span<const Counter* const> counters, Ticks now);

  [[nodiscard]] StoreStats counts(std::uint64_t capacity) const {
    return {.capacity = capacity,
            .evictions = header_.counts.evictions.load(),
            .overflow = header_.counts.overflow.load(),
            .conflicts = header_.counts.conflicts.load(),
            .repairs = header_.table_times.repairs + header_.ring_times.repairs};
  }

  [[nodiscard]] std::uint64_t entries(Ticks now, std::size_t part, std::size_t parts) const {
    std::uint64_t entries = 0;
    const auto count = [&](const Entry& entry) {
      if (entry.word > now && (entry.tag & kPending) == 0) ++entries;
    };
    table_.each(part, parts, count);
    for (const RingSet<Hooks>& set : rings_) {
      set.table.each(part, parts, count);
      for (const RingSet<Hooks>& old : set.older) old.table.each(part, parts, count);
    }
    return entries;
  }

 private:
  static constexpr int kAttempts = 32;

  /// Makes a verdict where it is to be. To make and then copy it would read, in pieces of 16 bytes,
  /// what was written a moment ago in pieces of 8, and processors wait long for that.
  template <class Make>
  static void make_verdict(Verdict& out, Make&& make) {
    ::new (&out) Verdict(make());
  }

  /// A charge's key in the table that its algorithm lives in.
  struct Key {
    std::uint64_t tag = 0;
    Place place;
    const Counter* counter = nullptr;
    const RingSet<Hooks>* rings = nullptr;  ///< sliding_window only
  };

  /// What a charge of a group is put to, and what it looked like.
  struct Cell {
    Cell(const Key& its_key, const Charge* its_charge) : key(its_key), charge(its_charge) {}
    Cell(const StoreCore& core, const Charge& its_charge)
        : Cell(core.key_of(its_charge), &its_charge) {}

    Key key;
    const Charge* charge = nullptr;
    Entry* entry = nullptr;  ///< null: the key has none
    bool overflows = false;  ///< the charge goes to the shared word
    bool admitted = false;
    std::uint64_t older = 0;  ///< admissions in closed rings that still count
    Ticks now = 0;            ///< the time that counts
    Ticks seen = 0;           ///< word before
    Ticks next = 0;           ///< and after
    Ring::View view;          ///< sliding_window with an entry
  };
  using Cells = boost::container::static_vector<Cell, kMaxGroup>;

  [[nodiscard]] std::uint64_t epoch_of(const Counter& counter) const {
    return epochs_[counter.rule]->number.load(std::memory_order_relaxed);
  }
  [[nodiscard]] Key key_of(const Charge& charge) const {
    const Counter& counter = *charge.counter;
    const Hash128 key = charge.client ^ in_epoch(counter.key, epoch_of(counter));
    const bool logs = counter.window.algorithm == Algorithm::sliding_window;
    const RingSet<Hooks>* rings = logs ? current(rings_[counter.ring_set]) : nullptr;
    const Table& table = logs ? rings->table : table_;
    return {tag_of(key.low), table.place(key.high, logs ? 0 : counter.place), &counter, rings};
  }
  [[nodiscard]] const Table& table_of(const Key& key) const {
    return key.rings != nullptr ? key.rings->table : table_;
  }
  [[nodiscard]] Table& table_of(const Key& key) {
    return const_cast<Table&>(std::as_const(*this).table_of(key));
  }
  static void prefetch(const Key& key) {
    Table::prefetch(*key.place.home);
    Table::prefetch(*key.place.other);
  }

  [[nodiscard]] const SharedTimes& times_of(const Key& key) const {
    return key.rings != nullptr ? header_.ring_times : header_.table_times;
  }
  [[nodiscard]] SharedTimes& times_of(const Key& key) {
    return key.rings != nullptr ? header_.ring_times : header_.table_times;
  }

  /// The word that the key shares with others if it has no room of its own.
  [[nodiscard]] OverflowWord& shared_of(const Key& key) const {
    return overflow_word(overflow_, *key.counter, key.tag);
  }
  /// The shared word while it lives, else 0.
  [[nodiscard]] Ticks shared_at(const Key& key, Ticks now) const {
    if (times_of(key).overflow_until.load() <= now) return 0;
    const Ticks word = shared_of(key).load();
    return word > now ? word : 0;
  }

  Verdict decide(const Key& key, const Charge& charge, Ticks now) {
    return decide(key, charge, now, table_of(key).find(key.tag, key.place));
  }
  Verdict decide(const Key& key, const Charge& charge, Ticks now, Entry* entry) {
    if (key.rings != nullptr) return decide_logged(charge, now);
    for (;; entry = table_.find(key.tag, key.place)) {
      Hooks::step();
      if (entry == nullptr) {
        if (std::optional<Verdict> done = admit_newcomer(key, charge.cost, now)) return *done;
        continue;
      }
      const Entry seen = load(*entry);
      if (seen.tag != key.tag) continue;
      const Step next = step(key.counter->window, seen.word, now, charge.cost);
      Hooks::step();
      if (!next.admitted || charge.cost == 0) {
        // The word may be another key's, that came between the two loads.
        if (load_tag(*entry) != key.tag) continue;
        if (is_junk(seen.word, now, furthest_)) [[unlikely]] {
          repair(key, entry, seen.word, now);
          continue;
        }
        return {next.admitted, inspect(key.counter->window, seen.word, now, charge.cost)};
      }
      if (Hooks::swap(*entry, seen, {key.tag, next.word})) {
        return {true, inspect(key.counter->window, next.word, now, 0)};
      }
    }
  }

  /// A log is charged in several steps, so one charge is a group of one.
  Verdict decide_logged(const Charge& charge, Ticks now) {
    Verdict verdict;
    decide_group({&charge, 1}, now, &verdict);
    return verdict;
  }

  /// The key had no entry. Nothing: look again.
  std::optional<Verdict> admit_newcomer(const Key& key, std::uint64_t cost, Ticks now) {
    const Ticks at = table_.time_after(now);
    const Ticks word = shared_at(key, at);
    const Step first = step_word(key.counter->window, word, at, cost);
    if (!first.admitted || cost == 0) {
      if (is_junk(word, at, furthest_)) {
        repair(key, nullptr, word, at);
        return std::nullopt;
      }
      return Verdict{first.admitted, quota_of(key.counter->window, word, at, now, cost)};
    }
    Ticks granted_at = 0;
    Ticks granted = 0;
    const auto word_at = [&](Ticks time) -> std::optional<Ticks> {
      const Step next = step_word(key.counter->window, shared_at(key, time), time, cost);
      granted_at = time;
      granted = next.word;
      return next.admitted ? std::optional(next.word) : std::nullopt;
    };
    switch (table_.insert(key.tag, key.place, now, numbers_, word_at).result) {
      case Table::Result::inserted:
        return Verdict{true, quota_of(key.counter->window, granted, granted_at, now, 0)};
      case Table::Result::full:
        return charge_overflow(key, cost, now);
      case Table::Result::exists:
      case Table::Result::refused:
        break;
    }
    return std::nullopt;
  }

  std::optional<Verdict> charge_overflow(const Key& key, std::uint64_t cost, Ticks now) {
    Cell cell(key, nullptr);
    cell.now = table_of(key).time_after(now);
    cell.seen = shared_of(key).load();
    const Step next = step_word(key.counter->window, cell.seen, cell.now, cost);
    if (!next.admitted) {
      if (is_junk(cell.seen, cell.now, furthest_)) {
        repair(key, nullptr, cell.seen, cell.now);
        return std::nullopt;
      }
      return Verdict{false, quota_of(key.counter->window, cell.seen, cell.now, now, cost)};
    }
    cell.next = next.word;
    if (!write_overflow(cell)) return std::nullopt;
    return Verdict{true, quota_of(key.counter->window, cell.next, cell.now, now, 0)};
  }

  bool write_overflow(Cell& cell) {
    const Key& key = cell.key;
    raise(times_of(key).overflow_until, cell.next);
    Hooks::step();
    Ticks seen = cell.seen;
    if (!shared_of(key).compare_exchange_strong(seen, cell.next)) return false;
    Hooks::step();
    // Whoever inserts the key reads the shared word after claiming, and here entries and claims are
    // looked for after writing it: one of the two sees the other. A claim must go, for its owner
    // may be dead and a log whose shared word lives would never confirm it.
    if (table_of(key).has_entry_without_claims(key.tag, key.place) ||
        table_of(key).time_after(cell.now) > cell.now || superseded(key)) {
      Ticks mine = cell.next;
      shared_of(key).compare_exchange_strong(mine, cell.seen);
      return false;
    }
    header_.counts.overflow.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  void add_cells(std::span<const Charge> charges, Cells& cells) const {
    for (const Charge& charge : charges) cells.emplace_back(*this, charge);
  }
  GroupResult decide_cells(std::span<Cell> cells, Ticks now, Verdict* verdicts);
  void find(Cell& cell) const {
    if (superseded(cell.key)) [[unlikely]]
      cell.key = key_of(*cell.charge);
    cell.entry = table_of(cell.key).find(cell.key.tag, cell.key.place);
  }
  [[gnu::always_inline]] void look(Cell& cell, Ticks now) const;
  void look_at_log(Cell& cell, Ticks now) const;
  [[gnu::noinline, gnu::cold]] void look_at_older(Cell& cell, Ticks now) const;
  template <class Use>
  void each_older(const Cell& cell, Ticks now, Use&& use) const;
  [[nodiscard, gnu::noinline, gnu::cold]] Quota quota_with_older(const Cell& cell, Ticks now,
                                                                 std::uint64_t asked,
                                                                 std::uint64_t taken) const;
  bool reset_older(const Cell& cell, Ticks now);
  [[nodiscard]] Step step_of(const Cell& cell) const;
  /// False if the entry was given to another key, whose word that may be then; or if a log has
  /// moved on, so that what was read of it belongs to several moments.
  static bool stands(const Cell& cell) {
    if (cell.entry == nullptr) return true;
    if (cell.key.rings != nullptr && !cell.key.rings->ring_of(*cell.entry).unchanged(cell.view)) {
      return false;
    }
    return load_tag(*cell.entry) == cell.key.tag;
  }
  static Ticks length_of(const Cell& cell) { return cell.key.counter->window.window; }
  bool provide_all(std::span<Cell> cells, Ticks now);
  bool provide(Cell& cell, std::span<const Cell> group, Ticks now);
  bool write_all(std::span<Cell> cells);
  [[gnu::always_inline]] bool write(Cell& cell);
  bool write_log(Cell& cell);
  bool take_back(Cell& cell);
  [[nodiscard]] Verdict verdict_before(const Cell& cell, Ticks now) const;
  [[nodiscard, gnu::always_inline]] Verdict verdict_after(const Cell& cell, Ticks now) const;

  [[nodiscard]] RingSet<Hooks> ring_set_of(const Share& share) const;
  [[nodiscard]] RingSet<Hooks> ring_set_of(const RingShares& shares) const;
  /// The rings that came after these, where these are closed.
  [[nodiscard]] const RingSet<Hooks>* current(const RingSet<Hooks>& rings) const {
    if (rings.closed()) [[unlikely]]
      return successor(rings);
    return &rings;
  }
  [[nodiscard, gnu::noinline, gnu::cold]] const RingSet<Hooks>* successor(
      const RingSet<Hooks>& rings) const;
  [[nodiscard]] bool superseded(const Key& key) const {
    return key.rings != nullptr && key.rings->closed() && successor(*key.rings) != key.rings;
  }

  /// A key of penalties, which is no counter's.
  struct Mark {
    std::uint64_t tag = 0;
    Place place;
  };
  [[nodiscard]] Mark mark_of(const Hash128& key, unsigned number) const {
    return {tag_of(key.low), table_.place(key.high, number)};
  }
  template <class Next>
  std::optional<Ticks> advance(const Mark& mark, Ticks now, Next&& next);
  Ticks record_violation(const Penalties& penalties, const Hash128& client, const Counter& counter,
                         Ticks now);
  bool forget(const Mark& mark, Ticks now);
  /// Not the old word of anybody's undo: a number of our own, long past.
  Ticks long_past() { return 1 + numbers_.next(); }

  [[gnu::noinline]] void repair(const Key& key, Entry* entry, Ticks seen, Ticks now);
  bool repaired(const Cell& cell, Ticks now);

  StoreLayout layout_;
  std::byte* memory_;
  StoreHeader& header_;
  OverflowWord* overflow_;
  std::vector<Epoch*> epochs_;
  Table table_;
  std::vector<RingSet<Hooks>> rings_;
  /// Of those that were closed since: found when somebody asks, by policies that are older.
  struct Successor {
    RingSet<Hooks> rings;
    Successor* next;
  };
  mutable std::atomic<Successor*> successors_ = nullptr;  ///< owned; only ever grows
  ClaimNumbers numbers_;
  Ticks furthest_;
};

}  // namespace tidegate

#include "store/memory/store_group.hpp"      // IWYU pragma: export
#include "store/memory/store_older.hpp"      // IWYU pragma: export
#include "store/memory/store_penalties.hpp"  // IWYU pragma: export
#include "store/memory/store_repair.hpp"     // IWYU pragma: export
