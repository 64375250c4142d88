// What nobody wrote, anywhere in the memory: repaired or refused and counted, never a crash, never
// an unlimited client. Damage may give one allowance, as if the client had been forgotten.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/memory/ring_set.hpp"
#include "store/memory/shares.hpp"
#include "store/memory/test_store.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using enum Algorithm;

constexpr std::uint64_t kLimit = 5;
constexpr Ticks kYears = 9 * kMaxWindow_us * kTicksPerMicro;  // more than any word reaches ahead
constexpr Ticks kFarAhead[] = {kNoon + kYears, kNoon + 2 * kYears, ~Ticks{0} - 5 * kSecond,
                               ~Ticks{0} - 1, ~Ticks{0}};

class Junk : public testing::TestWithParam<Algorithm> {
 protected:
  explicit Junk(std::uint64_t capacity = 64)
      : store_({{GetParam(), kLimit, 1s}}, {.capacity = capacity, .log_slots = 256}) {}

  [[nodiscard]] static bool logs() { return GetParam() == sliding_window; }
  [[nodiscard]] StoreHeader& header() const {
    return *reinterpret_cast<StoreHeader*>(store_.memory.data());
  }
  [[nodiscard]] SharedTimes& times() const {
    return logs() ? header().ring_times : header().table_times;
  }
  [[nodiscard]] std::span<std::uint64_t> words(std::size_t begin, std::size_t end) const {
    return {reinterpret_cast<std::uint64_t*>(store_.memory.data() + begin), (end - begin) / 8};
  }
  /// The first share of the log region.
  [[nodiscard]] RingSetLayout rings() const {
    const auto* share = reinterpret_cast<const Share*>(store_.memory.data() +
                                                       StoreLayout(store_.geometry).shares_at);
    return RingSetLayout::of(share->ring_units * kLogUnit, kLimit);
  }
  /// The slots that the rule's keys may live in, but those that no bucket uses.
  [[nodiscard]] std::vector<Entry*> slots() const {
    const StoreLayout layout(store_.geometry);
    auto* buckets = reinterpret_cast<Bucket*>(store_.memory.data() +
                                              (logs() ? layout.log_at : layout.buckets_at));
    std::vector<Entry*> slots;
    for (std::uint64_t b = 0; b < (logs() ? rings().buckets : layout.buckets); ++b) {
      for (unsigned i = 0; i < (logs() ? rings().slots_per_bucket : kBucketSlots); ++i) {
        slots.push_back(&buckets[b].slots[i]);
      }
    }
    return slots;
  }
  [[nodiscard]] Entry& entry_of(std::uint64_t client) const {
    const std::uint64_t tag = tag_of((TestStore::hash(client) ^ store_.counters[0].key).low);
    for (Entry* slot : slots()) {
      if (slot->tag == tag) return *slot;
    }
    ADD_FAILURE() << "client " << client << " has no entry";
    return *slots().front();
  }
  /// Head and stamps of the ring behind a slot.
  [[nodiscard]] std::span<std::uint64_t> ring_of(const Entry& entry) const {
    const StoreLayout layout(store_.geometry);
    const std::uint64_t index = static_cast<std::uint64_t>(&entry - slots().front());
    const std::size_t at = layout.log_at + 8 * (rings().rings_at + index * Ring::words(kLimit));
    return words(at, at + 8 * Ring::words(kLimit));
  }

  /// How many of `asked` requests at one moment are admitted.
  [[nodiscard]] std::uint64_t admitted(std::uint64_t client, Ticks now, std::uint64_t asked = 50) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < asked; ++i) count += store_.admits(client, now) ? 1 : 0;
    return count;
  }
  /// The client is refused now, told a wait as any client would be, and let in after it.
  void expect_refused_and_let_in_again(std::uint64_t client, Ticks now = kNoon) {
    const Verdict denied = store_.decide(client, now);
    EXPECT_FALSE(denied.admitted);
    EXPECT_EQ(denied.quota.remaining, 0U);
    EXPECT_GT(denied.quota.retry_after_us, 0U);
    EXPECT_LE(denied.quota.retry_after_us, 2'000'000U);
    EXPECT_TRUE(store_.admits(client, now + denied.quota.retry_after_us * kTicksPerMicro));
  }

  [[nodiscard]] std::uint64_t repairs() const { return store_.store->stats(kNoon).repairs; }

  TestStore store_;
};
INSTANTIATE_TEST_SUITE_P(Store, Junk,
                         testing::Values(token_bucket, fixed_window, sliding_window_counter,
                                         sliding_window));

class JunkInLogs : public Junk {};
INSTANTIATE_TEST_SUITE_P(Store, JunkInLogs, testing::Values(sliding_window));

TEST_P(Junk, AWordFarAheadLocksNobodyOut) {
  for (const Ticks junk : kFarAhead) {
    SCOPED_TRACE(junk);
    const std::uint64_t client = junk;
    EXPECT_TRUE(store_.admits(client, kNoon));
    entry_of(client).word = junk;
    const std::uint64_t before = repairs();
    EXPECT_LE(admitted(client, kNoon), kLimit);
    EXPECT_GT(repairs(), before);
    expect_refused_and_let_in_again(client);
  }
}

TEST_P(Junk, AWordInAGroupLocksNobodyOut) {
  TestStore both({{GetParam(), kLimit, 1s}, {token_bucket, 100, 10s}});
  const std::vector<Verdict> first = both.decide_group(1, kNoon);
  EXPECT_TRUE(first[0].admitted && first[1].admitted);
  // Every word of every entry: only these two live.
  const StoreLayout layout(both.geometry);
  const auto spoil = [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; at += sizeof(Entry)) {
      auto& entry = *reinterpret_cast<Entry*>(both.memory.data() + at);
      if (entry.tag != 0) entry.word = ~Ticks{0};
    }
  };
  spoil(layout.buckets_at, layout.epochs_at);
  if (logs()) spoil(layout.log_at, layout.log_at + sizeof(Bucket));
  std::uint64_t admitted = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector<Verdict> verdicts = both.decide_group(1, kNoon);
    admitted += verdicts[0].admitted && verdicts[1].admitted ? 1 : 0;
  }
  EXPECT_LE(admitted, kLimit);
  EXPECT_GT(both.store->stats(kNoon).repairs, 0U);
  const std::vector<Verdict> later = both.decide_group(1, kNoon + 25 * kSecond);
  EXPECT_TRUE(later[0].admitted && later[1].admitted);
}

TEST_P(Junk, AHorizonFarAheadIsPutRight) {
  for (const Ticks junk : kFarAhead) {
    SCOPED_TRACE(junk);
    times().horizon = junk;
    const std::uint64_t client = junk;
    EXPECT_EQ(admitted(client, kNoon), kLimit);
    expect_refused_and_let_in_again(client);
    EXPECT_LE(times().horizon, kNoon);
  }
  EXPECT_EQ(repairs(), std::size(kFarAhead));
}

TEST_P(Junk, AnOverflowTimeFarAheadChangesNothing) {
  times().overflow_until = ~Ticks{0};
  EXPECT_EQ(admitted(1, kNoon), kLimit);
  expect_refused_and_let_in_again(1);
}

TEST_P(Junk, SharedWordsFarAheadLockNobodyOut) {
  const StoreLayout layout(store_.geometry);
  for (const Ticks junk : kFarAhead) {
    SCOPED_TRACE(junk);
    for (std::uint64_t& word : words(layout.overflow_at, layout.log_at)) word = junk;
    times().overflow_until = junk;
    const std::uint64_t client = junk;
    EXPECT_LE(admitted(client, kNoon), kLimit) << "a newcomer begins from the shared word";
    expect_refused_and_let_in_again(client);
  }
  EXPECT_GE(repairs(), std::size(kFarAhead));
}

TEST_P(Junk, SlotsThatWouldNeverExpireAreTakenOver) {
  Ticks now = kNoon;
  for (const std::uint64_t tag : {std::uint64_t{0}, tag_of(0x1234), tag_of(0x1234) | kPending}) {
    now += 10 * kSecond;
    for (Entry* slot : slots()) *slot = {tag, ~Ticks{0}};
    const std::uint64_t newcomer = tag + 77;
    EXPECT_EQ(admitted(newcomer, now), kLimit);
    expect_refused_and_let_in_again(newcomer, now);
    EXPECT_EQ(entry_of(newcomer).tag & kPending, 0U) << "it has an entry of its own";
    EXPECT_LE(times().horizon, now) << "the damage is not carried on";
  }
  EXPECT_GE(repairs(), 3U);
}

TEST_P(Junk, AClaimOfTheKeyItselfIsUsed) {
  const std::uint64_t tag = tag_of((TestStore::hash(1) ^ store_.counters[0].key).low);
  for (Entry* slot : slots()) *slot = {tag | kPending, ~Ticks{0}};
  EXPECT_EQ(admitted(1, kNoon), kLimit);
  expect_refused_and_let_in_again(1);
}

TEST_P(Junk, PenaltiesFarAheadLockNobodyOut) {
  const Penalties penalties{.detection = 60 * kSecond,
                            .threshold = 1,
                            .multipliers = {2},
                            .count_key = {0x5000, 6},
                            .cooldown_key = {0x7000, 8}};
  const auto decide = [&](std::uint64_t client, Ticks now) {
    const Charge charge = store_.charge(client);
    Verdict verdict;
    const Cooldown cooldown =
        store_.store->apply({&charge, 1}, now, {&verdict, 1}, penalties, charge.client);
    return cooldown.refused ? 'l' : verdict.admitted ? 'a' : 'r';
  };
  const auto decide_all = [&](std::uint64_t client, Ticks now) {
    std::string answers;
    for (std::uint64_t i = 0; i <= kLimit + 1; ++i) answers += decide(client, now);
    return answers;
  };
  Ticks now = kNoon;
  const StoreLayout layout(store_.geometry);
  for (const Ticks junk : kFarAhead) {
    SCOPED_TRACE(junk);
    EXPECT_EQ(decide_all(1, now), "aaaaarl");
    // The last violation, the count and the cooldown, and the time until which there may be one.
    for (std::size_t at = layout.buckets_at; at < layout.epochs_at; at += sizeof(Entry)) {
      auto& entry = *reinterpret_cast<Entry*>(store_.memory.data() + at);
      if (entry.tag != 0 && entry.tag != entry_of(1).tag) entry.word = junk;
    }
    header().cooldown_until = junk;
    EXPECT_EQ(decide(1, now), 'r') << "no longer locked out, and locked out anew";
    EXPECT_EQ(decide(1, now + kSecond), 'l');
    EXPECT_EQ(decide(1, now + 2 * kSecond), 'a');
    now += 100 * kSecond;
  }
}

TEST_P(JunkInLogs, StampsAndHeadsLeaveARingThatWorks) {
  constexpr std::uint64_t kTurn = std::uint64_t{1} << 48;
  const std::uint64_t heads[] = {
      0, kTurn - 1, kTurn, 3 * kTurn - 1, kTurn / 2 + 3, ~std::uint64_t{0}};
  std::uint64_t client = 0;
  for (const std::uint64_t head : heads) {
    for (const std::uint64_t stamp : {Ticks{0}, kNoon, kNoon + kYears, ~Ticks{0} - 1, ~Ticks{0}}) {
      for (std::size_t at = 1; at <= kLimit + 1; ++at) {  // one stamp, or all of them
        SCOPED_TRACE(testing::Message() << "head " << head << " stamp " << stamp << " at " << at);
        EXPECT_TRUE(store_.admits(++client, kNoon));
        const std::span<std::uint64_t> ring = ring_of(entry_of(client));
        ring[0] = head;
        for (std::size_t i = 1; i <= kLimit; ++i)
          ring[i] = i == at || at > kLimit ? stamp : ring[i];
        EXPECT_LE(admitted(client, kNoon), 2 * kLimit);
        const Ticks later = kNoon + kSecond;
        EXPECT_EQ(admitted(client, later), kLimit);
        store_.store->reset(store_.counters[0], TestStore::hash(client), later);
        entry_of(client) = {};
      }
    }
  }
}

TEST_P(Junk, EveryByteOfTheHeaderMayChange) {
  EXPECT_EQ(admitted(1, kNoon), kLimit);
  const std::vector<std::byte> sound(store_.memory.begin(), store_.memory.end());
  const StoreLayout layout(store_.geometry);
  const std::size_t kept = layout.overflow_at + std::size_t{8} * store_.counters[0].overflow_count;
  const auto restore = [&](std::size_t begin, std::size_t end) {
    std::memcpy(store_.memory.data() + begin, sound.data() + begin, end - begin);
  };
  for (std::size_t at = 0; at < sizeof(StoreHeader); ++at) {
    for (const auto bits : {std::byte{1}, std::byte{0x80}, std::byte{0xff}}) {
      SCOPED_TRACE(at);
      store_.memory[at] ^= bits;
      const auto attached = MemoryStore::attach(store_.memory, store_.geometry);
      if (!attached) {
        EXPECT_NE(attached.error().message.find("this program wants"), std::string::npos);
      }
      EXPECT_EQ(admitted(1, kNoon, 3), 0U) << "who has used all he may stays refused";
      EXPECT_LE(admitted(1'000 + at, kNoon), kLimit);
      restore(0, kept);
      restore(layout.log_at, layout.size);
    }
  }
}

TEST_P(Junk, WhatIsWrittenWhileDecidingLetsNobodyThroughUnlimited) {
  const std::uint32_t seed = 3;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const StoreLayout layout(store_.geometry);
  std::vector<std::uint64_t*> targets;
  for (std::uint64_t& word : words(offsetof(StoreHeader, table_times), sizeof(StoreHeader)))
    targets.push_back(&word);
  for (std::uint64_t& word : words(layout.buckets_at, layout.size)) targets.push_back(&word);

  std::atomic<bool> stop = false;
  const auto write_junk = [&] {
    std::mt19937_64 random(seed);
    while (!stop) {
      const std::uint64_t junk = random() >> random() % 64;
      __atomic_store_n(targets[random() % targets.size()], junk, __ATOMIC_RELAXED);
    }
  };
  const auto decide = [&](std::uint64_t first) {
    for (std::uint64_t i = 0; i < 20'000; ++i) store_.admits(first + i % 40, kNoon + i);
  };
  std::thread writer(write_junk);
  std::thread other([&] { decide(20); });
  decide(0);
  other.join();
  stop = true;
  writer.join();

  const Ticks later = kNoon + kSecond;
  for (std::uint64_t client = 0; client < 100; ++client) {
    EXPECT_LE(admitted(client, later), 2 * kLimit) << "client " << client;
  }
}

}  // namespace
}  // namespace tidegate
