// Requests of one client under one or two rules with up to three windows each, all or nothing, with
// progressive penalties half of the time, put to the in-memory store and to exact references.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "store/memory/store.hpp"
#include "tests/reference/exact.hpp"
#include "tests/reference/penalties.hpp"
#include "tests/reference/promises.hpp"
#include "tests/reference/schedule.hpp"

namespace tidegate {
namespace {

using reference::Answer;
using reference::Schedule;

constexpr std::size_t kMaxRules = 2;
constexpr std::size_t kMaxWindows = 3;

/// Memory of a store, given back between schedules.
class Memory {
 public:
  Memory() {
    void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    bytes_ = {static_cast<std::byte*>(mapped), size_};
  }
  ~Memory() { munmap(bytes_.data(), bytes_.size()); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::unique_ptr<MemoryStore> fresh_store() {
    madvise(bytes_.data(), bytes_.size(), MADV_DONTNEED);
    MemoryStore::format(bytes_, kGeometry);
    return MemoryStore::attach(bytes_, kGeometry, kAnyTime).value();
  }

 private:
  static constexpr StoreGeometry kGeometry{.capacity = 256, .log_slots = 8'192};
  std::size_t size_ = MemoryStore::bytes_needed(kGeometry);
  std::span<std::byte> bytes_;
};

/// A hash that lies in two of the 64 buckets. All keys of a client get buckets of their own, so
/// that none of them ever takes the place of another that has expired: that would be right, and
/// move time forward for it.
Hash128 hash_in(std::uint64_t low, std::uint64_t bucket) {
  const auto half = [](std::uint64_t b) { return b << 26; };
  return {low << 8, half(bucket) << 32 | half(bucket + 8)};
}

/// One client under random rules, as the store and as the references see him.
class Client {
 public:
  Client(Schedule& schedule, Algorithm algorithm, Memory& memory) {
    const std::uint64_t rules = 1 + schedule.below(kMaxRules);
    for (std::uint64_t rule = 0; rule < rules; ++rule) {
      add_rule(schedule, rule, rule == 0 ? algorithm : static_cast<Algorithm>(schedule.below(4)));
    }
    if (schedule.chance(2)) add_penalties(schedule);
    store_ = memory.fresh_store();
    std::vector<Counter*> all;
    for (Counter& counter : counters_) all.push_back(&counter);
    EXPECT_TRUE(store_->bind(all, 0, true));
  }

  /// What the store answers to a request of these costs, one for each rule.
  std::vector<Answer> decide(Micros now_us, std::span<const std::uint64_t> costs) {
    std::vector<Charge> charges;
    for (const Counter& counter : counters_) {
      charges.push_back({&counter, kHash, costs[counter.rule]});
    }
    std::vector<Verdict> verdicts(charges.size());
    const Ticks now = ticks_from_micros(now_us);
    cooldown_ = {};
    if (penalties_) {
      cooldown_ = store_->apply(charges, now, verdicts, *penalties_, kHash);
    } else {
      store_->apply(charges, now, verdicts);
    }
    std::vector<Answer> answers;
    for (const auto& [admitted, quota] : verdicts) {
      answers.push_back(
          {admitted, quota.remaining, quota.reset_us, quota.retry_after_us, quota.more_after_us});
    }
    return answers;
  }

  /// What it must answer.
  std::vector<Answer> right(Micros now_us, std::span<const std::uint64_t> costs) {
    right_cooldown_ = {};
    if (exact_penalties_) {
      if (const auto left_us = exact_penalties_->left_us(now_us)) {
        right_cooldown_ = {.refused = true, .left_us = *left_us};
      }
    }
    std::vector<bool> fits;
    bool all = true;
    for (std::size_t i = 0; i < exact_.size(); ++i) {
      const std::uint64_t cost = costs[counters_[i].rule];
      fits.push_back(right_cooldown_.refused || cost == 0 || exact_[i].fits(now_us, cost));
      all = all && fits.back();
    }
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < exact_.size(); ++i) {
      const std::uint64_t cost = costs[counters_[i].rule];
      if (all && cost != 0 && !right_cooldown_.refused) exact_[i].take(now_us, cost);
      answers.push_back(exact_[i].tell(now_us, cost, fits[i]));
    }
    if (!all && exact_penalties_) violate(answers, now_us);
    return answers;
  }

  [[nodiscard]] bool locked_out(Micros at_us) const {
    return penalties_ && store_->peek_cooldown(*penalties_, kHash, ticks_from_micros(at_us)) != 0;
  }
  /// Whether a request of these costs would be admitted then, by what the store says is left.
  [[nodiscard]] bool would_pass(Micros at_us, std::span<const std::uint64_t> costs) const {
    const Ticks at = ticks_from_micros(at_us);
    if (locked_out(at_us)) return false;
    return std::ranges::all_of(counters_, [&](const Counter& counter) {
      return store_->peek(counter, kHash, at).quota.remaining >= costs[counter.rule];
    });
  }

  [[nodiscard]] const Cooldown& cooldown() const { return cooldown_; }
  [[nodiscard]] const Cooldown& right_cooldown() const { return right_cooldown_; }
  [[nodiscard]] std::span<const Counter> counters() const { return counters_; }

  /// The largest cost that every window of a rule can admit; any for a rule that is not there.
  [[nodiscard]] std::uint64_t capacity(std::uint64_t rule) const {
    std::uint64_t least = 1'000'000'000;
    for (const Counter& counter : counters_) {
      if (counter.rule == rule) least = std::min(least, counter.window.capacity);
    }
    return least;
  }

  [[nodiscard]] std::string describe() const {
    std::ostringstream out;
    for (const Counter& counter : counters_) {
      out << "\n  rule " << counter.rule << ": " << to_string(counter.window.algorithm)
          << ", limit " << counter.window.limit << ", window " << counter.window.window_us
          << " us, capacity " << counter.window.capacity;
    }
    if (penalties_) {
      out << "\n  penalties from violation " << penalties_->threshold << " within "
          << penalties_->detection / kTicksPerMicro << " us, times";
      for (const auto multiplier : penalties_->multipliers) out << ' ' << multiplier;
    }
    return out.str();
  }

 private:
  static constexpr Hash128 kHash{0x7000, 0};

  void add_rule(Schedule& schedule, std::uint64_t rule, Algorithm algorithm) {
    const std::uint64_t windows = 1 + schedule.below(kMaxWindows);
    const std::uint64_t max_limit =
        algorithm == Algorithm::sliding_window ? 50 : std::uint64_t{1'000'000'000};
    std::vector<Window> chosen;
    while (chosen.size() < windows) {
      const Window window = make_window(algorithm, schedule.window(algorithm, max_limit));
      if (std::ranges::find(chosen, window.window, &Window::window) == chosen.end()) {
        chosen.push_back(window);
      }
    }
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      Counter& counter = counters_.emplace_back();
      counter.window = chosen[i];
      counter.rule = static_cast<std::uint32_t>(rule);
      counter.place = static_cast<std::uint8_t>(i);
      counter.key = hash_in(1 + counters_.size(), 16 * rule);
      counter.overflow_count = kMinOverflowPerWindow;
      if (algorithm == Algorithm::sliding_window) {
        counter.ring_slots = static_cast<std::uint32_t>(counter.window.limit);
      }
      exact_.emplace_back(counter.window);
    }
  }

  void add_penalties(Schedule& schedule) {
    const Micros detection_us = std::max<Micros>(1'000, schedule.up_to(kMaxWindow_us));
    const std::uint64_t threshold = 1 + schedule.below(3);
    std::vector<std::uint32_t> multipliers;
    for (std::uint64_t i = 0; i <= schedule.below(4); ++i) {
      multipliers.push_back(static_cast<std::uint32_t>(schedule.up_to(8)));
    }
    penalties_ = {.detection = detection_us * kTicksPerMicro,
                  .threshold = threshold,
                  .multipliers = multipliers,
                  .count_key = hash_in(100, 32),
                  .cooldown_key = hash_in(101, 48)};
    exact_penalties_.emplace(detection_us, threshold, multipliers);
  }

  /// The window that the answer names has the least left; of two, it is whole again later.
  void violate(std::span<const Answer> answers, Micros now_us) {
    std::optional<std::size_t> named;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].admitted) continue;
      if (!named || answers[i].remaining < answers[*named].remaining ||
          (answers[i].remaining == answers[*named].remaining &&
           answers[i].reset_us > answers[*named].reset_us)) {
        named = i;
      }
    }
    const Counter& counter = counters_[*named];
    exact_penalties_->rejected(static_cast<int>(counter.rule), counter.window.window_us, now_us);
    right_cooldown_.left_us = exact_penalties_->left_us(now_us).value_or(0);
    // Only what this rejection itself has started is told.
    if (!exact_penalties_->started()) right_cooldown_.left_us = 0;
  }

  std::vector<Counter> counters_;
  std::vector<reference::Exact> exact_;
  std::optional<Penalties> penalties_;
  std::optional<reference::Penalties> exact_penalties_;
  std::unique_ptr<MemoryStore> store_;
  Cooldown cooldown_;
  Cooldown right_cooldown_;
};

/// What was met on the way: a test that met none of something says nothing about it.
struct Met {
  std::uint64_t admitted = 0;
  std::uint64_t rejected = 0;
  std::uint64_t cooldowns_started = 0;
  std::uint64_t locked_out = 0;

  void note(std::span<const Answer> answers, const Cooldown& cooldown) {
    const bool all = std::ranges::all_of(answers, &Answer::admitted);
    if (cooldown.refused) {
      ++locked_out;
    } else {
      ++(all ? admitted : rejected);
      if (cooldown.left_us != 0) ++cooldowns_started;
    }
  }
};

/// Whoever waits for all that said no gets in, and a microsecond earlier does not.
void expect_wait_is_exact(const Client& client, std::span<const Answer> answers, Micros now_us,
                          std::span<const std::uint64_t> costs) {
  Micros wait_us = client.cooldown().left_us;
  for (const Answer& answer : answers) wait_us = std::max(wait_us, answer.retry_after_us);
  if (wait_us == 0 || now_us + wait_us > kLatest / kTicksPerMicro) return;
  if (client.cooldown().refused) {  // he is told when it ends, and only looks at the windows
    EXPECT_FALSE(client.locked_out(now_us + wait_us));
    EXPECT_TRUE(client.locked_out(now_us + wait_us - 1));
    return;
  }
  EXPECT_TRUE(client.would_pass(now_us + wait_us, costs)) << "after " << wait_us << " us";
  EXPECT_FALSE(client.would_pass(now_us + wait_us - 1, costs)) << "after " << wait_us - 1 << " us";
}

void run_schedule(Schedule& schedule, Client& client, Met& met) {
  const bool goes_back = schedule.chance(2);
  const std::uint64_t requests = 10 + schedule.below(21);
  const auto counters = client.counters();
  Micros now_us = schedule.start_us();
  std::vector<Answer> answers(counters.size());
  std::vector<std::vector<reference::Grant>> grants(counters.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i].remaining = counters[i].window.capacity;
  }
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::size_t some = schedule.below(counters.size());
    std::vector<std::uint64_t> costs;
    for (std::uint64_t rule = 0; rule < kMaxRules; ++rule) {
      const std::uint64_t capacity = client.capacity(rule);
      costs.push_back(std::min(capacity, schedule.cost(capacity, answers[some].remaining)));
    }
    answers = client.decide(now_us, costs);
    const std::vector<Answer> right = client.right(now_us, costs);
    for (std::size_t each = 0; each < answers.size(); ++each) {
      ASSERT_EQ(answers[each], right[each]) << "request " << i << " at " << now_us << " us, cost "
                                            << costs[counters[each].rule] << ", window " << each;
    }
    ASSERT_EQ(client.cooldown().refused, client.right_cooldown().refused) << "request " << i;
    ASSERT_EQ(client.cooldown().left_us, client.right_cooldown().left_us) << "request " << i;
    met.note(answers, client.cooldown());
    if (!goes_back) {
      const bool charged =
          !client.cooldown().refused && std::ranges::all_of(answers, &Answer::admitted);
      for (std::size_t each = 0; charged && each < grants.size(); ++each) {
        grants[each].push_back({now_us, costs[counters[each].rule]});
      }
      expect_wait_is_exact(client, answers, now_us, costs);
    }
    const Micros wait_us = std::max(client.cooldown().left_us, answers[some].retry_after_us);
    now_us = schedule.next_us(now_us, counters[some].window.window_us, wait_us, goes_back);
  }
  for (std::size_t each = 0; each < grants.size(); ++each) {
    reference::expect_within_bounds(counters[each].window, grants[each]);
  }
}

class Groups : public testing::TestWithParam<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(Exact, Groups,
                         testing::Values(Algorithm::token_bucket, Algorithm::sliding_window,
                                         Algorithm::sliding_window_counter,
                                         Algorithm::fixed_window),
                         [](const auto& each) { return std::string(to_string(each.param)); });

TEST_P(Groups, AnswerAsTheReferencesDo) {
  Memory memory;
  Met met;
  const std::uint64_t schedules = reference::schedules(10'000);
  for (std::uint64_t seed = 0; seed < schedules && !HasFailure(); ++seed) {
    Schedule schedule(seed);
    Client client(schedule, GetParam(), memory);
    SCOPED_TRACE("seed " + std::to_string(seed) + ":" + client.describe());
    run_schedule(schedule, client, met);
  }
  EXPECT_GT(met.admitted, schedules);
  EXPECT_GT(met.rejected, schedules);
  EXPECT_GT(met.cooldowns_started, schedules / 100);
  EXPECT_GT(met.locked_out, schedules / 100);
  std::cout << schedules << " schedules: " << met.admitted << " admitted, " << met.rejected
            << " rejected, " << met.cooldowns_started << " cooldowns started, " << met.locked_out
            << " locked out\n";
}

}  // namespace
}  // namespace tidegate
