#include "store/guard/denial_cache.hpp"

#include <gtest/gtest.h>

#include <array>

namespace tidegate {
namespace {

constexpr Micros kStart = 1'000'000'000;

class Denials : public testing::Test {
 protected:
  Denials() {
    for (std::size_t i = 0; i < counters_.size(); ++i) {
      counters_[i].window = make_window(
          Algorithm::token_bucket,
          {.limit = 10, .window = std::chrono::seconds(60 * (static_cast<int>(i) + 1))});
      counters_[i].key = {.low = 7 + i, .high = 9};
    }
  }

  [[nodiscard]] Check check(std::uint64_t client, std::uint64_t cost, std::size_t windows = 1) {
    for (std::size_t i = 0; i < windows; ++i) {
      charges_[i] = {.counter = &counters_[i], .client = {client, 1}, .cost = cost};
    }
    return {.charges = std::span(charges_).first(windows),
            .enforced = windows,
            .penalties = nullptr,
            .client = {client, 1}};
  }
  [[nodiscard]] bool denied(const Check& check, Micros now) {
    return cache_.denies(check, now, verdicts_, cooldown_);
  }
  /// The answer to a check: denied for `retry_us`.
  void note(const Check& check, Micros retry_us, Cooldown cooldown = {}) {
    std::array<Verdict, 2> answers{};
    answers[0].quota = {.remaining = 1, .reset_us = 50'000, .retry_after_us = retry_us};
    answers[1].admitted = true;
    cache_.note(check, kStart, std::span(answers).first(check.charges.size()), cooldown);
  }

  std::array<Counter, 2> counters_;
  std::array<Charge, 2> charges_;
  std::array<Verdict, 2> verdicts_;
  Cooldown cooldown_;
  DenialCache cache_;
};

TEST_F(Denials, LastUntilWaitingWouldHaveHelped) {
  EXPECT_FALSE(denied(check(1, 3), kStart));
  note(check(1, 3), 20'000);
  EXPECT_TRUE(denied(check(1, 3), kStart + 19'999));
  EXPECT_FALSE(denied(check(1, 3), kStart + 20'000));
}

TEST_F(Denials, TellWhatIsLeftOfTheWait) {
  note(check(1, 3), 20'000);
  ASSERT_TRUE(denied(check(1, 3), kStart + 5'000));
  EXPECT_FALSE(verdicts_[0].admitted);
  EXPECT_EQ(verdicts_[0].quota.retry_after_us, 15'000U);
  EXPECT_EQ(verdicts_[0].quota.reset_us, 45'000U);
  EXPECT_EQ(verdicts_[0].quota.remaining, 1U);
}

TEST_F(Denials, HoldForThatCostOrMoreAndNobodyElse) {
  note(check(1, 3), 20'000);
  EXPECT_TRUE(denied(check(1, 4), kStart));
  EXPECT_FALSE(denied(check(1, 2), kStart));
  EXPECT_FALSE(denied(check(2, 3), kStart));
  EXPECT_FALSE(denied(check(1, 3, 2), kStart)) << "other windows";
}

TEST_F(Denials, HoldForTheLimitThatMadeThem) {
  note(check(1, 3), 20'000);
  const Check same = check(1, 3);
  counters_[0].window.limit = 11;  // a tier with more under the same name
  EXPECT_FALSE(denied(same, kStart));
}

TEST_F(Denials, OfSeveralWindowsLastUntilTheLast) {
  note(check(1, 1, 2), 20'000);
  ASSERT_TRUE(denied(check(1, 1, 2), kStart + 1));
  EXPECT_FALSE(verdicts_[0].admitted);
  EXPECT_TRUE(verdicts_[1].admitted);
}

TEST_F(Denials, AreNotMadeOfLooksOrOfAdmissions) {
  note(check(1, 0), 20'000);
  EXPECT_FALSE(denied(check(1, 0), kStart));
  std::array<Verdict, 1> admitted{};
  admitted[0].admitted = true;
  cache_.note(check(1, 1), kStart, admitted, {});
  EXPECT_FALSE(denied(check(1, 1), kStart));
}

TEST_F(Denials, OfShadowRulesAreAskedEachTime) {
  Check both = check(1, 1, 2);
  both.enforced = 1;
  note(both, 20'000);
  EXPECT_FALSE(denied(both, kStart)) << "the shadow rule would not count it";
}

TEST_F(Denials, WithPenaltiesAreRememberedOnlyAsCooldowns) {
  const Penalties penalties;
  Check counted = check(1, 3);
  counted.penalties = &penalties;
  note(counted, 20'000);
  EXPECT_FALSE(denied(counted, kStart)) << "the violation would not count";
  note(counted, 0, {.refused = true, .left_us = 30'000});
  counted = check(1, 1);
  ASSERT_TRUE(denied(counted, kStart + 10'000)) << "a cooldown holds for every cost";
  EXPECT_TRUE(cooldown_.refused);
  EXPECT_EQ(cooldown_.left_us, 20'000U);
}

TEST_F(Denials, AreAskedAgainAfterAWhile) {
  note(check(1, 3), 60'000'000);
  EXPECT_TRUE(denied(check(1, 3), kStart + DenialCache::kLongest - 1));
  EXPECT_EQ(verdicts_[0].quota.retry_after_us, 60'000'000 - DenialCache::kLongest + 1);
  EXPECT_FALSE(denied(check(1, 3), kStart + DenialCache::kLongest));
}

TEST_F(Denials, AreForgottenTogether) {
  note(check(1, 3), 20'000);
  cache_.clear();
  EXPECT_FALSE(denied(check(1, 3), kStart));
}

TEST_F(Denials, AreNotBelievedWhenTimeGoesBack) {
  note(check(1, 3), 20'000);
  EXPECT_FALSE(denied(check(1, 3), kStart - 1));
}

}  // namespace
}  // namespace tidegate
