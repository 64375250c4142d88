#include "store/guard/breaker.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tidegate {
namespace {

constexpr Micros kStart = 1'000'000'000;
constexpr Breaker::Options kOptions{.threshold = 3, .timeout_us = 1'000'000, .patience_us = 50'000};

class ABreaker : public testing::Test {
 protected:
  void fail_times(int times) {
    for (int i = 0; i < times; ++i) breaker_.fail(false, now_);
  }

  BreakerMemory memory_{};
  Breaker breaker_{kOptions, memory_};
  Micros now_ = kStart;
};

TEST_F(ABreaker, OpensAtTheThresholdAndSaysSoOnce) {
  EXPECT_FALSE(breaker_.fail(false, now_));
  EXPECT_FALSE(breaker_.fail(false, now_));
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::yes);
  EXPECT_TRUE(breaker_.fail(false, now_));
  EXPECT_EQ(breaker_.state(now_), BreakerState::open);
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::no);
  EXPECT_FALSE(breaker_.fail(false, now_)) << "one outage begins once";
}

TEST_F(ABreaker, CountsOnlyFailuresInARow) {
  fail_times(2);
  breaker_.succeed(false);
  fail_times(2);
  EXPECT_EQ(breaker_.state(now_), BreakerState::closed);
  EXPECT_FALSE(breaker_.trusted());
  breaker_.succeed(false);
  EXPECT_TRUE(breaker_.trusted());
}

TEST_F(ABreaker, LetsOneProbeLeaveWhenItsTimeHasCome) {
  fail_times(3);
  EXPECT_EQ(breaker_.until_probe(now_), kOptions.timeout_us);
  now_ += kOptions.timeout_us;
  EXPECT_EQ(breaker_.state(now_), BreakerState::half_open);
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::no);
  EXPECT_EQ(breaker_.began(), kStart);
  EXPECT_TRUE(breaker_.succeed(true)) << "the outage ends";
  EXPECT_EQ(breaker_.state(now_), BreakerState::closed);
  EXPECT_TRUE(breaker_.trusted());
}

TEST_F(ABreaker, StaysOpenAfterAProbeThatFailed) {
  fail_times(3);
  now_ += kOptions.timeout_us;
  ASSERT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
  EXPECT_FALSE(breaker_.fail(true, now_));
  EXPECT_EQ(breaker_.state(now_), BreakerState::open);
  now_ += kOptions.timeout_us;
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
}

TEST_F(ABreaker, IsNotOpenedAgainByAProbeThatIsLate) {
  fail_times(3);
  now_ += kOptions.timeout_us;
  ASSERT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
  EXPECT_TRUE(breaker_.close()) << "another server has taken over";
  EXPECT_FALSE(breaker_.fail(true, now_));
  EXPECT_EQ(breaker_.state(now_), BreakerState::closed);
  EXPECT_FALSE(breaker_.trusted()) << "it is a failure all the same";
}

TEST_F(ABreaker, IsProbedAgainWhereAProberDied) {
  fail_times(3);
  now_ += kOptions.timeout_us;
  ASSERT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
  now_ += kOptions.patience_us - 1;
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::no);
  now_ += 1;
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
}

TEST_F(ABreaker, IsNotClosedByAnAnswerThatWasUnderWay) {
  fail_times(3);
  EXPECT_FALSE(breaker_.succeed(false));
  EXPECT_EQ(breaker_.state(now_), BreakerState::open);
}

TEST_F(ABreaker, IsProbedAtOnceWhenSomebodyHeardFromTheStore) {
  fail_times(3);
  breaker_.hurry(now_);
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::probe);
  breaker_.succeed(true);
  breaker_.hurry(now_);
  EXPECT_EQ(breaker_.state(now_), BreakerState::closed);
}

TEST_F(ABreaker, IsOneForAllWhoShareItsMemory) {
  Breaker other(kOptions, memory_);
  fail_times(2);
  EXPECT_TRUE(other.fail(false, now_));
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::no);
  now_ += kOptions.timeout_us;
  EXPECT_EQ(other.may_leave(now_), Breaker::Leave::probe);
  EXPECT_EQ(breaker_.may_leave(now_), Breaker::Leave::no);
}

}  // namespace
}  // namespace tidegate
