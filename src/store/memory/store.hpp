// The in-memory store: the shared table, the rings of sliding_window and the overflow entries, on
// memory somebody hands it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include "store/charge.hpp"
#include "store/penalties.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

struct StoreGeometry {
  std::uint64_t capacity =
      1'000'000;  ///< entries meant to be held at once; the table has twice as many slots
  std::uint64_t log_slots = 1'000'000;  ///< 8-byte slots for the rings of sliding_window
  friend bool operator==(const StoreGeometry&, const StoreGeometry&) = default;
};

struct StoreStats {
  std::uint64_t entries = 0;  ///< live now, counted by looking at every slot
  std::uint64_t capacity = 0;
  std::uint64_t evictions = 0;  ///< expired entries of others taken over
  std::uint64_t overflow = 0;   ///< charges that went to an overflow entry
  std::uint64_t conflicts = 0;  ///< costs that may have stayed charged after a race of one client
  std::uint64_t repairs = 0;    ///< damage that was found and put right
};

/// One attachment of one process to the table. Many threads may use one attachment; a child of fork
/// makes its own. Never blocks, never allocates while deciding, never throws; another process may
/// die at any instruction without harm.
class MemoryStore {
 public:
  /// Bytes that `geometry` takes, a multiple of 4096.
  [[nodiscard]] static std::size_t bytes_needed(const StoreGeometry& geometry);
  /// Makes an empty store of zeroed memory aligned to 4096.
  static void format(std::span<std::byte> memory, const StoreGeometry& geometry);
  /// Checks magic, layout and sizes against `geometry` before anything is believed.
  /// A time more than `furthest` ahead of a decision's is taken for damage and put right; kAnyTime
  /// where times come from outside and may go back for decades.
  [[nodiscard]] static std::expected<std::unique_ptr<MemoryStore>, Error> attach(
      std::span<std::byte> memory, const StoreGeometry& geometry, Ticks furthest = kFurthestAhead);
  ~MemoryStore();

  /// Takes the counters of a policy into use: fills in their shares of the overflow entries and of
  /// the rings (see shares.hpp; what a counter asks for stands in `overflow_count` and
  /// `ring_slots`). What is counted under their keys survives. Once for an attachment, and by one
  /// process at a time. `alone`: no other process has counters in use. An error says what there is
  /// too little of, and what would help.
  [[nodiscard]] std::expected<void, Error> bind(std::span<Counter* const> counters, Ticks now,
                                                bool alone);
  /// For a child of fork that goes on with its parent's attachment: makes it one of its own.
  void after_fork();

  /// A group has at most so many charges, each of another counter or client; a longer one is
  /// refused.
  static constexpr std::size_t kMaxGroup = 64;

  /// Decides one group, all or nothing. `verdicts` is as long as `charges`.
  void apply(std::span<const Charge> charges, Ticks now, std::span<Verdict> verdicts);

  /// The same for a client who is locked out after too many rejections: then nothing is charged,
  /// and the verdicts only tell how things stand. `client` is whose violations are counted; the
  /// charges may be of others (an address, everybody).
  Cooldown apply(std::span<const Charge> charges, Ticks now, std::span<Verdict> verdicts,
                 const Penalties& penalties, const Hash128& client);

  /// Decides many groups: group i ends before charges[group_ends[i]]. Cheaper than one by one: the
  /// memory of several is fetched at once.
  void apply(std::span<const Charge> charges, std::span<const std::uint32_t> group_ends, Ticks now,
             std::span<Verdict> verdicts);

  /// Looks without taking and without writing anything.
  [[nodiscard]] Verdict peek(const Counter& counter, Hash128 client, Ticks now) const;
  /// How long the client is still locked out; 0: he is not.
  [[nodiscard]] Micros peek_cooldown(const Penalties& penalties, Hash128 client, Ticks now) const;
  /// Forgets a client under a counter, while traffic flows. True if there was something to forget.
  bool reset(const Counter& counter, Hash128 client, Ticks now);
  /// Forgets a client's violations and ends his cooldown. True if there was something to forget.
  bool reset(const Penalties& penalties, Hash128 client, Ticks now);
  /// Forgets all clients of a rule, while traffic flows, for all who share the memory. `counters`
  /// are those of the rule. What was counted keeps its room until it expires.
  void reset_all(std::span<const Counter* const> counters, Ticks now);

  [[nodiscard]] StoreStats stats(Ticks now) const;
  /// The same without looking at the slots: `entries` is 0.
  [[nodiscard]] StoreStats counts() const;
  /// The live entries in one of `parts` parts of the table, `part` from 0: looking at all of a
  /// large table at once takes milliseconds.
  [[nodiscard]] std::uint64_t entries(Ticks now, std::size_t part, std::size_t parts) const;

 private:
  MemoryStore();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidegate
