// What becomes of counts when the rules change while traffic flows.
#include "store/memory/shares.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "store/memory/free_space.hpp"
#include "store/memory/test_store.hpp"

namespace tidegate {
namespace {

using enum Algorithm;
using namespace std::chrono_literals;

/// One policy as a process has it: its counters, bound by an attachment of their own.
class Bound {
 public:
  explicit Bound(const TestStore& store) : store_(store.attach_only()) {}

  Bound& rule(std::string_view name, Algorithm algorithm, std::uint64_t limit,
              std::chrono::microseconds window = 1s) {
    Counter& counter = counters_.emplace_back();
    counter.window = make_window(algorithm, {.limit = limit, .window = window, .burst = {}});
    counter.key = siphash128({7, 7}, name);
    counter.overflow_count = kMaxOverflowPerWindow;
    if (algorithm == sliding_window) counter.ring_slots = static_cast<std::uint32_t>(limit);
    return *this;
  }
  std::expected<void, Error> try_bind(Ticks now = kNoon, bool alone = false) {
    std::vector<Counter*> all;
    for (Counter& counter : counters_) all.push_back(&counter);
    return store_->bind(all, now, alone);
  }
  Bound& bind(Ticks now = kNoon) {
    const auto bound = try_bind(now);
    EXPECT_TRUE(bound) << bound.error().message;
    return *this;
  }

  Verdict decide(std::uint64_t client, Ticks now, std::uint64_t cost = 1, std::size_t rule = 0) {
    const Charge charge{&counters_[rule], TestStore::hash(client), cost};
    Verdict verdict;
    store_->apply({&charge, 1}, now, {&verdict, 1});
    return verdict;
  }
  std::uint64_t admitted(std::uint64_t client, Ticks now, std::uint64_t of) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < of; ++i) count += decide(client, now).admitted ? 1 : 0;
    return count;
  }
  std::deque<Counter>& counters() { return counters_; }
  MemoryStore& store() { return *store_; }

 private:
  std::deque<Counter> counters_;  // whose places stay
  std::unique_ptr<MemoryStore> store_;
};

TEST(FreeSpace, HandsOutWhatIsLeft) {
  FreeSpace free(100);
  free.take(10, 10);
  free.take(15, 10);
  EXPECT_EQ(free.left(), 85U);
  EXPECT_EQ(free.largest(), 75U);
  EXPECT_EQ(free.allocate(10), 0U);
  EXPECT_EQ(free.allocate(10), 25U);
  EXPECT_EQ(free.allocate(66), std::nullopt);
  EXPECT_EQ(free.allocate(65), 35U);
  EXPECT_EQ(free.left(), 0U);
  EXPECT_EQ(free.allocate(1), std::nullopt);
}

TEST(Shares, CountsSurviveAChangeOfTheLimit) {
  for (const auto algorithm :
       {token_bucket, fixed_window, sliding_window_counter, sliding_window}) {
    SCOPED_TRACE(to_string(algorithm));
    const TestStore store({});
    Bound before(store);
    before.rule("a", algorithm, 10).bind();
    EXPECT_EQ(before.admitted(1, kNoon, 6), 6U);
    Bound raised(store);
    raised.rule("new", algorithm, 5).rule("a", algorithm, 20).bind();
    // A bucket keeps its time: 0.6 s of the one that fills it. The others keep what was used.
    const std::uint64_t left = algorithm == token_bucket ? 8 : 14;
    EXPECT_EQ(raised.decide(1, kNoon, 0, 1).quota.remaining, left);
    Bound lowered(store);
    lowered.rule("a", algorithm, 8).bind();
    EXPECT_EQ(lowered.decide(1, kNoon, 0).quota.remaining, algorithm == token_bucket ? 3U : 2U);
  }
}

TEST(Shares, EveryCounterHasItsOwnAndKeepsIt) {
  const TestStore store({});
  Bound before(store);
  for (int i = 0; i < 40; ++i) before.rule("rule" + std::to_string(i), token_bucket, 5);
  before.bind();
  Bound after(store);
  for (int i = 39; i >= -40; --i) after.rule("rule" + std::to_string(i), token_bucket, 7);
  after.bind();
  std::vector<char> taken(kOverflowEntries);
  for (const Counter& counter : after.counters()) {
    EXPECT_GE(counter.overflow_count, kMinOverflowPerWindow);
    ASSERT_LE(counter.overflow_first + counter.overflow_count, kOverflowEntries);
    for (std::uint32_t i = 0; i < counter.overflow_count; ++i) {
      EXPECT_EQ(taken[counter.overflow_first + i]++, 0);
    }
  }
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(after.counters()[39 - i].overflow_first, before.counters()[i].overflow_first);
    EXPECT_EQ(after.counters()[39 - i].overflow_count, before.counters()[i].overflow_count);
  }
}

TEST(Shares, ThereIsRoomForAsManyWindowsAsThereCanBe) {
  const TestStore store({});
  Bound few(store);
  for (int i = 0; i < 100; ++i) few.rule("few" + std::to_string(i), token_bucket, 5);
  few.bind();
  Bound many(store);
  for (int i = 0; i < 100; ++i) many.rule("few" + std::to_string(i), token_bucket, 5);
  for (int i = 100; i < 32'768; ++i) many.rule("many" + std::to_string(i), token_bucket, 5);
  many.bind();
  Bound too_many(store);
  for (int i = 0; i < 32'769; ++i) too_many.rule("many" + std::to_string(i), token_bucket, 5);
  const auto refused = too_many.try_bind();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("at most 32768"), std::string::npos)
      << refused.error().message;
}

TEST(Shares, SharedWordsSurviveWhereTheTableIsFull) {
  // Room for 16 entries: everybody else shares.
  const TestStore store({}, {.capacity = 8, .log_slots = 0});
  Bound before(store);
  before.rule("a", token_bucket, 2, 60s).bind();
  for (std::uint64_t client = 0; client < 40'000; ++client) before.decide(client, kNoon, 2);
  ASSERT_GT(store.store->stats(kNoon).overflow, 0U);
  Bound after(store);
  after.rule("b", token_bucket, 5).rule("a", token_bucket, 2, 60s).bind();
  std::uint64_t admitted = 0;
  for (std::uint64_t client = 0; client < 40'000; ++client) {
    admitted += after.decide(client, kNoon, 1, 1).admitted ? 1 : 0;
  }
  EXPECT_EQ(admitted, 0U) << "a second allowance";
}

TEST(Shares, ARuleThatComesBackFindsItsCounts) {
  for (const auto algorithm : {token_bucket, sliding_window}) {
    SCOPED_TRACE(to_string(algorithm));
    const TestStore store({});
    Bound before(store);
    before.rule("a", algorithm, 5, 60s).bind();
    EXPECT_EQ(before.admitted(1, kNoon, 9), 5U);
    Bound without(store);
    without.rule("b", algorithm, 5, 60s).bind();
    Bound again(store);
    again.rule("a", algorithm, 5, 60s).bind(kNoon + kSecond);
    EXPECT_FALSE(again.decide(1, kNoon + kSecond).admitted);
    EXPECT_TRUE(again.decide(1, kNoon + 61 * kSecond).admitted);
  }
}

TEST(Shares, RoomOfRulesThatAreGoneIsUsedAgain) {
  const TestStore store({}, {.capacity = 100, .log_slots = 4'096});
  Ticks now = kNoon;
  for (int i = 0; i < 50; ++i) {
    Bound bound(store);
    bound.rule("rule" + std::to_string(i), sliding_window, 30).bind(now);
    EXPECT_EQ(bound.admitted(1, now, 40), 30U);
    now += 70 * kSecond;
  }
}

TEST(Shares, ALimitMayBeRaisedStepByStep) {
  const TestStore store({}, {.capacity = 100, .log_slots = 10'000});
  for (std::uint64_t limit = 5; limit < 100; ++limit) {
    Bound bound(store);
    bound.rule("a", sliding_window, limit, 1h).bind();
    EXPECT_EQ(bound.admitted(1, kNoon, 2), limit == 5 ? 2U : 1U);
    EXPECT_EQ(bound.decide(1, kNoon, 0).quota.remaining, limit == 5 ? 3U : 0U);
    if (limit == 5) {
      EXPECT_EQ(bound.admitted(1, kNoon, 5), 3U);
    }
  }
}

TEST(Shares, SaysWhatWouldHelpWhereThereIsNoRoomForAReload) {
  const TestStore store({}, {.capacity = 100, .log_slots = 2'048});
  Bound before(store);
  before.rule("a", sliding_window, 100).bind();
  Bound after(store);
  after.rule("a", sliding_window, 10'000);
  const auto refused = after.try_bind();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("of log_slots = 2048 are free"), std::string::npos);
  EXPECT_EQ(before.admitted(1, kNoon, 200), 100U) << "the old rules go on";
}

TEST(Shares, DamagedRecordsAreNotBelieved) {
  const TestStore store({});
  Bound before(store);
  before.rule("a", sliding_window, 5).bind();
  const StoreLayout layout(store.geometry);
  auto* records = reinterpret_cast<Share*>(store.memory.data() + layout.shares_at);
  for (int bit = 0; bit < 32; ++bit) {
    for (auto* field :
         {&records[0].overflow_first, &records[0].ring_first, &records[0].ring_units}) {
      field->fetch_xor(1U << bit);
      Bound after(store);
      after.rule("a", sliding_window, 5).bind();
      EXPECT_LE(after.admitted(1, kNoon + static_cast<Ticks>(bit) * 100 * kSecond, 9), 5U);
      field->fetch_xor(1U << bit);
    }
  }
}

/// One process has taken the reload and one has not: exact for both, by one count.
class Grown : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Grown, TwoGenerationsKeepOneLog) {
  constexpr Ticks kWindow = kSecond;
  std::mt19937_64 random(GetParam());
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const TestStore store({});
  std::vector<std::unique_ptr<Bound>> generations;
  std::vector<std::uint64_t> limits;
  struct Admission {
    Ticks at;
    std::uint64_t cost;
  };
  std::deque<Admission> log;
  Ticks now = kNoon;
  for (int step = 0; step < 3'000; ++step) {
    if (step % 500 == 0) {
      limits.push_back(1 + below(40));
      generations.push_back(std::make_unique<Bound>(store));
      generations.back()->rule("a", sliding_window, limits.back()).bind(now);
    }
    now += below(3) == 0 ? below(kWindow / 10) : 0;
    const std::size_t generation =
        generations.size() - 1 - below(std::min<std::size_t>(2, generations.size()));
    const std::uint64_t limit = limits[generation];
    const std::uint64_t cost = std::min(below(4), limit);
    const auto used_at = [&](Ticks time) {
      std::uint64_t used = 0;
      for (const Admission& each : log) used += time - each.at < kWindow ? each.cost : 0;
      return used;
    };
    const std::uint64_t used = used_at(now);
    const Verdict verdict = generations[generation]->decide(1, now, cost);
    ASSERT_EQ(verdict.admitted, cost == 0 || used + cost <= limit)
        << "seed " << GetParam() << " step " << step << " generation " << generation << " of "
        << generations.size() << " used " << used << " cost " << cost << " limit " << limit;
    if (verdict.admitted && cost != 0) log.push_back({now, cost});
    const std::uint64_t after = used_at(now);
    ASSERT_EQ(verdict.quota.remaining, limit - std::min(limit, after))
        << "seed " << GetParam() << " step " << step;
    if (!verdict.admitted) {
      const Ticks later = now + verdict.quota.retry_after_us * kTicksPerMicro;
      ASSERT_LE(used_at(later) + cost, limit) << "seed " << GetParam() << " step " << step;
      ASSERT_GT(used_at(later - 2 * kTicksPerMicro) + cost, limit)
          << "seed " << GetParam() << " step " << step;
    }
    if (after != 0) {
      const Ticks whole = now + verdict.quota.reset_us * kTicksPerMicro;
      ASSERT_EQ(used_at(whole), 0U) << "seed " << GetParam() << " step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Grown, testing::Range<std::uint64_t>(1, 41));

TEST(Grown, NobodyIsLetInTwiceWhileRingsChange) {
  for (int round = 0; round < 20; ++round) {
    const TestStore store({}, {.capacity = 100, .log_slots = 20'000});
    std::vector<std::unique_ptr<Bound>> generations;
    const auto bind = [&](std::uint64_t limit) {
      generations.push_back(std::make_unique<Bound>(store));
      generations.back()->rule("a", sliding_window, limit).bind();
    };
    bind(10);
    std::atomic<Bound*> newest = generations.back().get();
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> admitted = 0;
    const auto hammer = [&](bool lags) {
      Bound* mine = newest;
      while (!stop) {
        for (int i = 0; i < 50; ++i) admitted += mine->decide(1, kNoon).admitted ? 1 : 0;
        if (!lags || admitted % 7 == 0) mine = newest;
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(hammer, i == 0);
    std::uint64_t limit = 10;
    for (int i = 0; i < 6; ++i) {
      limit += limit / 2;
      bind(limit);
      newest = generations.back().get();
      std::this_thread::yield();
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    admitted += generations.back()->admitted(1, kNoon, limit);
    EXPECT_LE(admitted, limit);
    EXPECT_GE(admitted + store.store->stats(kNoon).conflicts, limit);
  }
}

TEST(Grown, AClientIsForgottenInClosedRingsToo) {
  const TestStore store({});
  Bound before(store);
  before.rule("a", sliding_window, 5).bind();
  EXPECT_EQ(before.admitted(1, kNoon, 9), 5U);
  Bound after(store);
  after.rule("a", sliding_window, 8).bind();
  EXPECT_TRUE(after.store().reset(after.counters()[0], TestStore::hash(1), kNoon));
  EXPECT_EQ(after.admitted(1, kNoon, 9), 8U);
  EXPECT_FALSE(before.decide(1, kNoon).admitted);
}

}  // namespace
}  // namespace tidegate
