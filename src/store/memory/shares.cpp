#include "store/memory/shares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "store/memory/entry.hpp"
#include "store/memory/free_space.hpp"

namespace tidegate {
namespace {

/// Of both regions a part is kept for rules that a reload adds.
constexpr std::uint64_t most_at_first(std::uint64_t units) { return units - units / 4; }

/// What has ended may be looked at by processes that have not heard of it: it is left as it is for
/// so long at least.
constexpr Ticks kGrace = Ticks{60} * 1'000'000 * kTicksPerMicro;

/// What the counters of one key need.
struct Wanted {
  std::vector<Counter*> counters;
  std::uint32_t overflow = 0;
  std::uint32_t ring_slots = 0;
  Share* share = nullptr;  ///< the record in use; null: it has none yet
};

std::uint64_t ring_units_for(std::uint32_t slots) {
  return 1 + (Ring::words(slots) + kLogUnit - 1) / kLogUnit;
}

class HandOut {
 public:
  HandOut(const Shared& shared, std::span<Counter* const> counters, Ticks now, bool alone)
      : shared_(shared), now_(now), alone_(alone), log_units_(shared.log.size() / kLogUnit) {
    for (Counter* counter : counters) {
      const std::uint64_t key = share_key(counter->key);
      const auto [at, fresh] = places_.emplace(key, wanted_.size());
      if (fresh) wanted_.emplace_back();
      Wanted& wanted = wanted_[at->second];
      wanted.counters.push_back(counter);
      wanted.overflow = std::max(wanted.overflow, counter->overflow_count);
      if (counter->window.algorithm == Algorithm::sliding_window) {
        wanted.ring_slots = std::max({wanted.ring_slots, counter->ring_slots, 1U});
      }
    }
  }

  std::expected<std::vector<RingShares>, Error> run() {
    read();
    if (auto given = give_overflow(); !given) return std::unexpected(given.error());
    if (auto given = give_rings(); !given) return std::unexpected(given.error());
    return tell();
  }

 private:
  /// Finds the records in use, and frees those that hold nothing any more.
  void read() {
    for (Share& share : shared_.used()) {
      const std::uint64_t key = share.key.load(std::memory_order_acquire);
      if (key == 0) continue;
      const auto place = places_.find(key);
      const bool needed = place != places_.end() && !is_closed(share.ended_at);
      if (sound(share) && needed) {
        Share*& known = wanted_[place->second].share;
        // Of two in use one was left behind by whoever died when he had made the other.
        share.ended_at = 0;
        if (known == nullptr) {
          known = &share;
          continue;
        }
        if (known->ring_slots < share.ring_slots) {
          close(*std::exchange(known, &share));
        } else {
          close(share);
        }
        continue;
      }
      if (!sound(share)) share.key.store(0);
      // A rule that is gone: others may still count in its rings, until they have heard of it.
      if (share.ring_slots != 0 && share.ended_at == 0) share.ended_at = now_ | 1;
      if (!overflow_lives(share) && !rings_live(share)) share.key.store(0);
    }
  }

  [[nodiscard]] bool sound(const Share& share) const {
    return share.overflow_first + std::uint64_t{share.overflow_count} <= shared_.overflow.size() &&
           share.ring_first + std::uint64_t{share.ring_units} <= log_units_ &&
           (share.ring_slots == 0 || share.ring_units >= ring_units_for(share.ring_slots));
  }
  [[nodiscard]] bool overflow_lives(const Share& share) const {
    if (shared_.overflow_until <= now_) return false;
    const auto words = shared_.overflow.subspan(share.overflow_first, share.overflow_count);
    return std::ranges::any_of(words, [this](const auto& word) { return word.load() > now_; });
  }
  /// Whether anything in them counts, or may be looked at by those who have not heard that they are
  /// closed.
  [[nodiscard]] bool rings_live(const Share& share) const {
    if (share.ring_slots == 0) return false;
    if (!alone_ && share.ended_at + kGrace > now_) return true;
    const std::uint64_t words = share.ring_units * kLogUnit;
    const auto layout = RingSetLayout::of(words, share.ring_slots);
    const auto* entries = reinterpret_cast<const Entry*>(&shared_.log[share.ring_first * kLogUnit]);
    const std::span all(entries, layout.buckets * kBucketSlots);
    return std::ranges::any_of(all, [this](const Entry& entry) { return load(entry).word > now_; });
  }

  /// Its overflow entries are another record's.
  void close(Share& share) const {
    share.overflow_count = 0;
    share.ended_at.store(std::max(now_ / 2 * 2, Ticks{2}));
  }

  /// A record for `wanted`, which has none.
  Share* new_record() {
    while (next_record_ < shared_.shares.size() && shared_.shares[next_record_].key != 0) {
      ++next_record_;
    }
    if (next_record_ == shared_.shares.size()) return nullptr;
    Share& record = shared_.shares[next_record_++];
    if (next_record_ > shared_.shares_used->load()) *shared_.shares_used = next_record_;
    record.ended_at = 0;
    record.overflow_first = 0;
    record.overflow_count = 0;
    record.ring_slots = 0;
    record.ring_first = 0;
    record.ring_units = 0;
    return &record;
  }

  template <class Each>
  void each_record(Each each) {
    for (Share& share : shared_.used()) {
      if (share.key.load(std::memory_order_relaxed) != 0) each(share);
    }
  }

  std::expected<void, Error> give_overflow() {
    std::vector<Wanted*> newcomers;
    for (Wanted& wanted : wanted_) {
      if (wanted.share == nullptr || wanted.share->overflow_count == 0) {
        newcomers.push_back(&wanted);
      }
    }
    if (newcomers.empty()) return {};
    FreeSpace free(shared_.overflow.size());
    each_record([&](Share& share) { free.take(share.overflow_first, share.overflow_count); });
    const bool fresh = free.left() == shared_.overflow.size();
    if (fresh || give_overflow(newcomers, free.left() / 2, free)) {
      return fresh ? lay_out_overflow() : std::expected<void, Error>{};
    }
    if (alone_ || shared_.overflow_until <= now_) return lay_out_overflow();
    return std::unexpected(Error{fmt::format(
        "the table is above its capacity, and what newcomers share meanwhile has no room for {} "
        "more windows: try again when there are fewer clients, or raise capacity under "
        "[rate_limiting.memory]",
        newcomers.size())});
  }

  /// All anew, when no word counts that would be lost.
  std::expected<void, Error> lay_out_overflow() {
    each_record([](Share& share) { share.overflow_count = 0; });
    if (alone_ && shared_.overflow_until != 0) {
      for (auto& word : shared_.overflow) word = 0;
    }
    std::vector<Wanted*> all;
    for (Wanted& wanted : wanted_) all.push_back(&wanted);
    FreeSpace free(shared_.overflow.size());
    if (give_overflow(all, most_at_first(free.left()), free)) return {};
    return std::unexpected(Error{fmt::format(
        "there are {} windows over all rules and tiers; at most {} can be kept apart when the "
        "table is full: use fewer rules or fewer windows",
        all.size(), shared_.overflow.size() / kMinOverflowPerWindow)});
  }

  /// False if not all of them found room, or a record.
  bool give_overflow(std::span<Wanted* const> wanted, std::uint64_t room, FreeSpace& free) {
    const auto even = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
        room / wanted.size(), kMinOverflowPerWindow, kMaxOverflowPerWindow));
    if (wanted.size() * std::uint64_t{kMinOverflowPerWindow} > free.left()) return false;
    for (Wanted* each : wanted) {
      const std::uint32_t count = std::clamp(each->overflow, kMinOverflowPerWindow, even);
      auto first = free.allocate(count);
      std::uint32_t given = count;
      if (!first) {
        given = kMinOverflowPerWindow;
        first = free.allocate(given);
      }
      if (!first || (each->share == nullptr && (each->share = new_record()) == nullptr)) {
        return false;
      }
      each->share->overflow_first = static_cast<std::uint32_t>(*first);
      each->share->overflow_count = static_cast<std::uint16_t>(given);
      each->share->key.store(share_key(each->counters.front()->key), std::memory_order_release);
    }
    return true;
  }

  std::expected<void, Error> give_rings() {
    std::vector<Wanted*> newcomers;
    for (Wanted& wanted : wanted_) {
      if (wanted.ring_slots > wanted.share->ring_slots) newcomers.push_back(&wanted);
    }
    if (newcomers.empty()) return {};
    FreeSpace free(log_units_);
    each_record([&](Share& share) {
      if (share.ring_slots != 0) free.take(share.ring_first, share.ring_units);
    });
    const bool fresh = free.left() == log_units_;
    if (fresh || give_rings(newcomers, free.left() / 4, free)) {
      return fresh ? lay_out_rings() : std::expected<void, Error>{};
    }
    if (alone_) return lay_out_rings();
    return std::unexpected(Error{fmt::format(
        "{} rules of sliding_window need larger rings, and {} of log_slots = {} are free while the "
        "old ones still count: try again when the longest of their windows is over, or set "
        "log_slots to {} or more, with all programs stopped and the segment removed (tidegate "
        "segment remove)",
        newcomers.size(), free.left() * kLogUnit, shared_.log.size(),
        std::max<std::uint64_t>(2 * shared_.log.size(), wanted_ring_words()))});
  }

  /// All anew, for who is alone or the first.
  std::expected<void, Error> lay_out_rings() {
    each_record([](Share& share) {
      share.ring_slots = 0;
      if (is_closed(share.ended_at)) share.key = 0;
    });
    std::vector<Wanted*> all;
    for (Wanted& wanted : wanted_) {
      if (wanted.ring_slots != 0) all.push_back(&wanted);
    }
    FreeSpace free(log_units_);
    // The part that is kept for later is given up where it is needed now.
    if (give_rings(all, most_at_first(log_units_), free)) return {};
    each_record([](Share& share) { share.ring_slots = 0; });
    free = FreeSpace(log_units_);
    if (give_rings(all, log_units_, free)) return {};
    return too_little(all);
  }

  /// False if one of them found no room for a single client.
  bool give_rings(std::span<Wanted* const> wanted, std::uint64_t room, FreeSpace& free) {
    const std::uint64_t even = room / wanted.size();
    for (Wanted* each : wanted) {
      std::uint32_t slots = slots_for(*each);
      if (ring_units_for(slots) > free.largest()) slots = each->ring_slots;
      const std::uint64_t least = ring_units_for(slots);
      const std::uint64_t units = std::max(least, std::min(even, free.largest()));
      const auto first = free.allocate(units);
      if (!first) return false;
      // Nobody looks there: it was free for a minute.
      std::memset(static_cast<void*>(&shared_.log[*first * kLogUnit]), 0, units * kLogUnit * 8);
      if (each->share->ring_slots != 0 && !grow(*each)) return false;
      each->share->ring_first = static_cast<std::uint32_t>(*first);
      each->share->ring_units = static_cast<std::uint32_t>(units);
      each->share->ring_slots.store(static_cast<std::uint16_t>(slots));
      if (Share* const old = std::exchange(outgrown_, nullptr); old != nullptr) {
        each->share->key.store(old->key, std::memory_order_release);
        close(*old);
      }
    }
    return true;
  }

  /// Rings that grow grow to twice their size at least: else one small step after another would use
  /// up the log region before the first had aged out.
  static std::uint32_t slots_for(const Wanted& wanted) {
    constexpr std::uint32_t kMost = 10'000;  // the highest limit that a sliding_window can have
    const std::uint32_t twice = 2 * std::uint32_t{wanted.share->ring_slots};
    return std::max(wanted.ring_slots, std::min(twice, kMost));
  }

  /// A second record for rings that are larger; the first is closed once it is written.
  bool grow(Wanted& wanted) {
    Share* const record = new_record();
    if (record == nullptr) return false;
    record->overflow_first = wanted.share->overflow_first.load();
    record->overflow_count = wanted.share->overflow_count.load();
    outgrown_ = wanted.share;
    wanted.share = record;
    return true;
  }

  std::unexpected<Error> too_little(std::span<Wanted* const> wanted) const {
    const auto* const largest = *std::ranges::max_element(wanted, {}, &Wanted::ring_slots);
    const std::uint64_t needed = ring_units_for(largest->ring_slots) * kLogUnit;
    return std::unexpected(Error{fmt::format(
        "log_slots = {} is too little: {} rules of sliding_window share it, and one of them needs "
        "{} for a single client (limit {}); set log_slots to {} or more",
        shared_.log.size(), wanted.size(), needed, largest->ring_slots,
        wanted_ring_words() * 4 / 3)});
  }
  /// Eight clients of each.
  [[nodiscard]] std::uint64_t wanted_ring_words() const {
    std::uint64_t words = 0;
    for (const Wanted& wanted : wanted_) {
      if (wanted.ring_slots == 0) continue;
      words += 2 * kLogUnit + kBucketSlots * Ring::words(wanted.ring_slots);
    }
    return words;
  }

  /// Fills in the counters.
  std::vector<RingShares> tell() {
    std::vector<RingShares> rings;
    std::unordered_map<std::uint64_t, std::size_t> places;
    for (const Wanted& wanted : wanted_) {
      for (Counter* counter : wanted.counters) {
        counter->overflow_first = wanted.share->overflow_first;
        counter->overflow_count = wanted.share->overflow_count;
        if (wanted.ring_slots == 0) continue;
        counter->ring_set = static_cast<std::uint32_t>(rings.size());
        counter->ring_slots = wanted.share->ring_slots;
      }
      if (wanted.ring_slots == 0) continue;
      places.emplace(wanted.share->key, rings.size());
      rings.push_back({.open = wanted.share, .older = {}});
    }
    each_record([&](Share& share) {
      if (!is_closed(share.ended_at) || share.ring_slots == 0) return;
      const auto at = places.find(share.key);
      if (at != places.end()) rings[at->second].older.push_back(&share);
    });
    return rings;
  }

  Shared shared_;
  Ticks now_;
  bool alone_;
  std::uint64_t log_units_;
  std::vector<Wanted> wanted_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
  std::size_t next_record_ = 0;
  Share* outgrown_ = nullptr;
};

}  // namespace

std::expected<std::vector<RingShares>, Error> hand_out(const Shared& shared,
                                                       std::span<Counter* const> counters,
                                                       Ticks now, bool alone) {
  return HandOut(shared, counters, now, alone).run();
}

RingShares find_rings(const Shared& shared, std::uint64_t key) {
  RingShares found;
  for (const Share& share : shared.used()) {
    if (share.key.load(std::memory_order_acquire) != key || share.ring_slots == 0) continue;
    if (!is_closed(share.ended_at)) {
      found.open = &share;
    } else {
      found.older.push_back(&share);
    }
  }
  return found;
}

}  // namespace tidegate
