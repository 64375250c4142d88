#include "observe/redis_counters.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace tidegate {
namespace {

using redis::ErrorType;
using redis::Operation;

class CountsOfRedis : public testing::Test {
 protected:
  std::unique_ptr<RedisCounters::Shared> shared_ = std::make_unique<RedisCounters::Shared>();
  RedisCounters counters_{*shared_};
};

TEST_F(CountsOfRedis, AreEmptyAtFirst) {
  EXPECT_TRUE(counters_.latencies().empty());
  EXPECT_TRUE(counters_.errors().empty());
}

TEST_F(CountsOfRedis, PutALatencyIntoAllBucketsThatReachIt) {
  for (const Micros latency : {100U, 101U, 250'000U, 250'001U}) {
    counters_.count_exchange(Operation::check, latency);
  }
  const auto latencies = counters_.latencies();
  ASSERT_EQ(latencies.size(), 1U);
  EXPECT_EQ(latencies[0].operation, "check");
  EXPECT_EQ(latencies[0].count, 4U);
  EXPECT_EQ(latencies[0].sum_us, 500'202U);
  ASSERT_EQ(latencies[0].buckets.size(), 11U);
  EXPECT_EQ(latencies[0].buckets[0].count, 1U) << "100 us is within 100 us";
  EXPECT_EQ(latencies[0].buckets[1].count, 2U);
  EXPECT_EQ(latencies[0].buckets[9].count, 2U);
  EXPECT_EQ(latencies[0].buckets[10].count, 3U);
  EXPECT_EQ(counters_.last_check_us(), 250'001U);
}

TEST_F(CountsOfRedis, AreSharedByAllWhoHaveTheMemory) {
  RedisCounters other(*shared_);
  other.count_error(Operation::connect, ErrorType::refused);
  counters_.count_error(Operation::connect, ErrorType::refused);
  const auto errors = counters_.errors();
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].operation, "connect");
  EXPECT_EQ(errors[0].type, "refused");
  EXPECT_EQ(errors[0].count, 2U);
}

}  // namespace
}  // namespace tidegate
