#include "store/memory/store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "store/memory/test_store.hpp"

namespace tidegate {
namespace {

using enum Algorithm;
using namespace std::chrono_literals;

constexpr std::array kAlgorithms{token_bucket, sliding_window, sliding_window_counter,
                                 fixed_window};

class EachAlgorithm : public testing::TestWithParam<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(Store, EachAlgorithm, testing::ValuesIn(kAlgorithms),
                         [](const auto& each) { return std::string(to_string(each.param)); });

TEST_P(EachAlgorithm, AdmitsTheLimitAndNoMore) {
  const TestStore store({{GetParam(), 3, 10s}});
  for (int left = 2; left >= 0; --left) {
    const Verdict verdict = store.decide(1, kNoon);
    EXPECT_TRUE(verdict.admitted);
    EXPECT_EQ(verdict.quota.remaining, static_cast<std::uint64_t>(left));
  }
  const Verdict denied = store.decide(1, kNoon);
  EXPECT_FALSE(denied.admitted);
  EXPECT_GT(denied.quota.retry_after_us, 0U);
  EXPECT_TRUE(store.admits(2, kNoon)) << "another client";
}

TEST_P(EachAlgorithm, LetsInWhoWaitsAsToldAndNobodySooner) {
  const TestStore store({{GetParam(), 3, 10s}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(store.admits(1, kNoon + 1'234'567));
  const Ticks now = kNoon + 7'654'321;
  const Ticks wait = store.decide(1, now).quota.retry_after_us * kTicksPerMicro;
  EXPECT_FALSE(store.admits(1, now + wait - kTicksPerMicro));
  EXPECT_TRUE(store.admits(1, now + wait));
}

TEST_P(EachAlgorithm, GivesNothingBackWhenTheClockGoesBack) {
  const TestStore store({{GetParam(), 3, 10s}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(store.admits(1, kNoon));
  for (const Ticks back : {kTicksPerMicro, kSecond, 60 * kSecond, kNoon}) {
    EXPECT_FALSE(store.admits(1, kNoon - back));
  }
}

TEST_P(EachAlgorithm, DecidesAtBothEndsOfTime) {
  for (const Ticks now : {Ticks{0}, Ticks{1}, ~Ticks{0}}) {
    const TestStore store({{GetParam(), 2, std::chrono::hours(24 * 366)}});
    EXPECT_TRUE(store.admits(1, now));
    EXPECT_TRUE(store.admits(1, now));
    EXPECT_FALSE(store.admits(1, now));
  }
}

TEST_P(EachAlgorithm, CostZeroLooksAndTakesNothing) {
  TestStore store({{GetParam(), 2, 10s}});
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(store.admits(1, kNoon, 0));
    EXPECT_EQ(store.decide(1, kNoon, 0).quota.remaining, 2U);
  }
  EXPECT_EQ(store.store->stats(kNoon).entries, 0U);
  EXPECT_TRUE(store.admits(1, kNoon, 2));
  EXPECT_TRUE(store.admits(1, kNoon, 0)) << "looking is never refused";
}

TEST_P(EachAlgorithm, TakesACostWholeOrNotAtAll) {
  const TestStore store({{GetParam(), 5, 10s}});
  EXPECT_TRUE(store.admits(1, kNoon, 3));
  EXPECT_FALSE(store.admits(1, kNoon, 3));
  EXPECT_TRUE(store.admits(1, kNoon, 2));
  EXPECT_FALSE(store.admits(1, kNoon, 1));
}

TEST_P(EachAlgorithm, PeekTakesAndWritesNothing) {
  TestStore store({{GetParam(), 2, 10s}});
  store.admits(1, kNoon);
  const std::vector<std::byte> before(store.memory.begin(), store.memory.end());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store.store->peek(store.counters[0], TestStore::hash(1), kNoon).quota.remaining, 1U);
    EXPECT_EQ(store.store->peek(store.counters[0], TestStore::hash(2), kNoon).quota.remaining, 2U);
  }
  EXPECT_TRUE(std::ranges::equal(before, store.memory));
}

TEST_P(EachAlgorithm, ADeniedRequestWritesNothing) {
  // The second window says no, alone and in a group whose first would admit.
  const TestStore store({{GetParam(), 9, 10s}, {GetParam(), 2, 60s}});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(store.decide_group(1, kNoon)[1].admitted);
  const std::vector<std::byte> before(store.memory.begin(), store.memory.end());
  for (const Ticks now : {kNoon, kNoon + kSecond, kNoon - kSecond}) {
    EXPECT_FALSE(store.admits(1, now, 1, 1));
    const std::vector<Verdict> verdicts = store.decide_group(1, now);
    EXPECT_TRUE(verdicts[0].admitted);
    EXPECT_FALSE(verdicts[1].admitted);
  }
  EXPECT_TRUE(std::ranges::equal(before, store.memory));
}

TEST_P(EachAlgorithm, ResetForgetsOneClient) {
  TestStore store({{GetParam(), 1, 10s}});
  EXPECT_TRUE(store.admits(1, kNoon));
  EXPECT_TRUE(store.admits(2, kNoon));
  EXPECT_TRUE(store.store->reset(store.counters[0], TestStore::hash(1), kNoon));
  EXPECT_FALSE(store.store->reset(store.counters[0], TestStore::hash(1), kNoon));
  EXPECT_FALSE(store.store->reset(store.counters[0], TestStore::hash(3), kNoon));
  EXPECT_TRUE(store.admits(1, kNoon));
  EXPECT_FALSE(store.admits(1, kNoon));
  EXPECT_FALSE(store.admits(2, kNoon));
}

TEST_P(EachAlgorithm, BatchesDecideAsOneByOne) {
  const TestStore one_by_one({{GetParam(), 3, 1s}});
  TestStore batches({{GetParam(), 3, 1s}});
  std::mt19937_64 random(GetParam() == token_bucket ? 1 : 2);
  Ticks now = kNoon;
  for (int round = 0; round < 300; ++round) {
    now += random() % (kSecond / 2);
    std::vector<Charge> charges;
    std::vector<std::uint32_t> ends;
    std::vector<std::uint64_t> clients;
    const std::size_t size = 1 + random() % 40;
    for (std::uint32_t i = 0; i < size; ++i) {
      clients.push_back(random() % 20);
      charges.push_back(batches.charge(clients.back(), random() % 4));
      ends.push_back(i + 1);
    }
    std::vector<Verdict> verdicts(charges.size());
    batches.store->apply(charges, ends, now, verdicts);
    for (std::size_t i = 0; i < charges.size(); ++i) {
      const Verdict expected = one_by_one.decide(clients[i], now, charges[i].cost);
      ASSERT_EQ(verdicts[i].admitted, expected.admitted) << round << ' ' << i;
      ASSERT_EQ(verdicts[i].quota.remaining, expected.quota.remaining);
      ASSERT_EQ(verdicts[i].quota.retry_after_us, expected.quota.retry_after_us);
    }
  }
}

TEST_P(EachAlgorithm, SurvivesJunkAndLetsNobodyThroughUnlimited) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    TestStore store({{GetParam(), 5, 1s}}, {.capacity = 64, .log_slots = 256});
    const StoreLayout layout(store.geometry);
    for (std::size_t at = layout.buckets_at; at < layout.size; at += 8) {
      // Junk of all sizes: times long past, now and never.
      const std::uint64_t junk = random() >> random() % 64;
      std::memcpy(store.memory.data() + at, &junk, 8);
    }
    for (std::uint64_t client = 0; client < 40; ++client) {
      int admitted = 0;
      for (int i = 0; i < 20; ++i) admitted += store.admits(client, kNoon, 1) ? 1 : 0;
      EXPECT_LE(admitted, 10) << "a log full of junk may be a little off, once";
    }
    EXPECT_EQ(store.store->stats(kNoon).capacity, 64U);
  }
}

TEST(Store, TakesNothingFromAnyWindowWhereOneSaysNo) {
  const TestStore store({{fixed_window, 2, 1s}, {sliding_window, 3, 10s}, {token_bucket, 4, 100s}});
  EXPECT_TRUE(store.decide_group(1, kNoon)[0].admitted);
  EXPECT_TRUE(store.decide_group(1, kNoon)[0].admitted);
  for (int i = 0; i < 5; ++i) {
    const auto verdicts = store.decide_group(1, kNoon);
    EXPECT_FALSE(verdicts[0].admitted);
    EXPECT_TRUE(verdicts[1].admitted);
    EXPECT_EQ(verdicts[1].quota.remaining, 1U);
    EXPECT_EQ(verdicts[2].quota.remaining, 2U);
  }
  EXPECT_TRUE(store.decide_group(1, kNoon + kSecond)[0].admitted);
  EXPECT_FALSE(store.decide_group(1, kNoon + 2 * kSecond)[1].admitted);
}

TEST(Store, DecidesManyGroupsAtOnce) {
  TestStore store({{fixed_window, 1, 1s}, {fixed_window, 2, 10s}});
  const std::array charges{store.charge(1, 1, 0), store.charge(1, 1, 1), store.charge(2, 1, 0),
                           store.charge(1, 1, 0), store.charge(1, 1, 1)};
  const std::array<std::uint32_t, 3> ends{2, 3, 5};
  std::array<Verdict, 5> verdicts;
  store.store->apply(charges, ends, kNoon, verdicts);
  EXPECT_TRUE(verdicts[0].admitted && verdicts[1].admitted && verdicts[2].admitted);
  EXPECT_FALSE(verdicts[3].admitted);
  EXPECT_EQ(verdicts[4].quota.remaining, 1U) << "the third group took nothing";
}

TEST(Store, FindsRoomForEveryNewcomerUpToItsCapacity) {
  constexpr std::uint64_t kCapacity = 10'000;
#ifdef TIDEGATE_SANITIZED
  constexpr std::uint64_t kNewcomers = 100'000;
#else
  constexpr std::uint64_t kNewcomers = 1'000'000;
#endif
  TestStore store({{fixed_window, 1, 1ms}}, {.capacity = kCapacity, .log_slots = 0});
  // As many live at any time as there is room for: each counts for a millisecond at most.
  const Ticks step = store.counters[0].window.window / kCapacity;
  for (std::uint64_t client = 0; client < kNewcomers; ++client) {
    ASSERT_TRUE(store.admits(client, kNoon + client * step));
  }
  const StoreStats stats = store.store->stats(kNoon + kNewcomers * step);
  EXPECT_EQ(stats.overflow, 0U);
  EXPECT_GT(stats.evictions, kNewcomers / 2);
  EXPECT_LE(stats.entries, kCapacity);
}

class AboveCapacity : public testing::Test {
 protected:
  /// All 64 slots are taken by clients 0 to 63 or so; returns the first that found no room.
  static std::uint64_t fill(TestStore& store, Ticks now) {
    std::uint64_t client = 0;
    while (store.store->stats(now).overflow == 0) store.admits(client++, now);
    return client - 1;
  }
  static constexpr StoreGeometry kSmall{.capacity = 32, .log_slots = 1'000};
};

TEST_F(AboveCapacity, NewcomersShareALimitAndNobodyIsForgotten) {
  TestStore store({{token_bucket, 2, 10s}}, kSmall);
  const std::uint64_t first_out = fill(store, kNoon);
  EXPECT_GT(first_out, 32U);
  int admitted = 0;
  for (std::uint64_t client = 1'000; client < 2'000; ++client) {
    admitted += store.admits(client, kNoon) ? 1 : 0;
  }
  // Some find a slot of their own while there is one; the others share four words.
  EXPECT_LE(admitted, 64 - static_cast<int>(first_out) + 4 * 2);
  for (std::uint64_t client = 0; client < first_out; ++client) {
    EXPECT_EQ(store.decide(client, kNoon, 0).quota.remaining, 1U) << "client " << client;
  }
}

TEST_F(AboveCapacity, AnEntryOfOnesOwnIsNoSecondAllowance) {
  TestStore store({{token_bucket, 2, 10s}}, kSmall);
  const std::uint64_t client = fill(store, kNoon);  // has taken one of the shared word
  EXPECT_TRUE(store.admits(client, kNoon + kSecond));
  // The others' entries end; the shared word, charged later, still counts.
  const Ticks later = kNoon + 6 * kSecond;
  EXPECT_EQ(store.decide(client, later).quota.remaining, 0U);
  EXPECT_FALSE(store.admits(client, later));
}

TEST_F(AboveCapacity, LogsShareToo) {
  // Four rings behind a bucket.
  TestStore store({{sliding_window, 3, 10s}}, {.capacity = 32, .log_slots = 32});
  std::uint64_t own = 0;
  while (store.store->stats(kNoon).overflow == 0) store.admits(own++, kNoon);
  EXPECT_LE(own, 5U);
  int admitted = 0;
  for (std::uint64_t client = 100; client < 200; ++client) {
    for (int i = 0; i < 3; ++i) admitted += store.admits(client, kNoon) ? 1 : 0;
  }
  EXPECT_LE(admitted, 4 * 3);
  EXPECT_TRUE(store.admits(500, kNoon + 11 * kSecond)) << "when all of it is over";
}

TEST_F(AboveCapacity, AClaimOfADeadProcessKeepsNobodyOut) {
  // One ring: 16 words are the bucket, 13 the log.
  TestStore store({{sliding_window, 12, 10s}}, {.capacity = 32, .log_slots = 32});
  const StoreLayout layout(store.geometry);
  auto& slots = *reinterpret_cast<Bucket*>(store.memory.data() + layout.log_at);
  // Client 1 has the only ring, so client 2 goes to a shared word; then a process dies that was
  // giving client 2 the ring.
  ASSERT_TRUE(store.admits(1, kNoon));
  while (store.store->stats(kNoon).overflow == 0) ASSERT_TRUE(store.admits(2, kNoon));
  const Hash128 key = TestStore::hash(2) ^ store.counters[0].key;
  for (Entry& slot : slots.slots) slot = {};
  slots.slots[0] = {tag_of(key.low) | kPending, kNoon + 1'000 * kSecond};
  EXPECT_TRUE(store.admits(2, kNoon + 1));
}

TEST(Store, RefusesMemoryThatIsNotItsOwn) {
  TestStore store({{token_bucket, 1, 1s}});
  auto& header = *reinterpret_cast<StoreHeader*>(store.memory.data());
  const auto message = [&](const StoreGeometry& geometry) {
    const auto attached = MemoryStore::attach(store.memory, geometry);
    return attached ? std::string() : attached.error().message;
  };
  EXPECT_EQ(message(store.geometry), "");
  EXPECT_NE(message({.capacity = 2'000, .log_slots = 10'000}).find("bytes"), std::string::npos);
  header.capacity = 999;
  EXPECT_EQ(message(store.geometry), "the table has capacity 999, this program wants 1000");
  header.capacity = 1'000;
  header.log_slots = 7;
  EXPECT_EQ(message(store.geometry), "the table has log_slots 7, this program wants 10000");
  header.log_slots = 10'000;
  header.layout = 9;
  EXPECT_EQ(message(store.geometry), "the table has layout 9, this program wants 4");
  header.magic = 0;
  EXPECT_NE(message(store.geometry).find("magic"), std::string::npos);
}

TEST(Store, SaysHowManyLogSlotsWouldDo) {
  TestStore store({{token_bucket, 1, 1s}}, {.capacity = 100, .log_slots = 20});
  Counter logged = store.counters[0];
  logged.window = make_window(sliding_window, {.limit = 100, .window = 1s, .burst = {}});
  logged.ring_slots = 100;
  const std::array counters{&logged};
  const auto bound = store.attach_only()->bind(counters, 0, true);
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().message.find("log_slots = 20 is too little"), std::string::npos);
}

TEST(Store, TheKeysOfAGroupNeverTakeEachOthersSlot) {
  // One bucket pair for all keys, and entries of buckets that count nothing: free for anybody.
  TestStore store({{token_bucket, 3, 1s}, {token_bucket, 5, 2s}, {token_bucket, 7, 3s}},
                  {.capacity = 8, .log_slots = 64});
  for (Counter& counter : store.counters) {
    counter.place = 0;
    counter.key.high = 0;
  }
  for (std::uint64_t client = 0; client < 2'000; ++client) {
    const Ticks now = kNoon + client * 10 * kSecond;
    // Strangers of the same moment leave little room.
    for (std::uint64_t i = 0; i < 12; ++i) store.admits(1'000'000 + 12 * client + i, now);
    for (const Verdict& verdict : store.decide_group(client, now)) {
      EXPECT_TRUE(verdict.admitted) << "client " << client;
    }
  }
  EXPECT_EQ(store.store->stats(kNoon).conflicts, 0U);
}

TEST(Store, CountsEntriesThatLive) {
  TestStore store({{fixed_window, 1, 1s}});
  for (std::uint64_t client = 0; client < 10; ++client) store.admits(client, kNoon);
  EXPECT_EQ(store.store->stats(kNoon).entries, 10U);
  EXPECT_EQ(store.store->stats(kNoon + 2 * kSecond).entries, 0U);
  EXPECT_EQ(store.store->stats(kNoon).capacity, 1'000U);
}

}  // namespace
}  // namespace tidegate
