// A decision that is allowed must not allocate, and one without memory must still be an answer. In
// a file of its own, as it replaces the allocator of the whole test program.
#include <gtest/gtest.h>

#include <string>

#include "adapters/posix/test_segments.hpp"
#include "core/test_allocations.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate {
namespace {

class AllocationsTest : public posix::SegmentFixture {
 protected:
  /// One decision without any memory, for a target that is too long to be read without.
  Outcome decide_exhausted(FailureMode mode) {
    config_.failure_mode = mode;
    const auto limiter = Limiter::open({.config = config_, .warnings = {}, .file = ""});
    EXPECT_TRUE(limiter) << limiter.error().message;
    const std::string target = "/" + std::string(500, 'x');
    Decision decision;
    exhausted = true;
    (*limiter)->decide({.peer = IpAddress::v4({203, 0, 113, 7}), .method = "GET", .target = target},
                       decision);
    exhausted = false;
    EXPECT_EQ(decision.fields(), nullptr);
    return decision.outcome;
  }
};

TEST_F(AllocationsTest, AllowedDecisionsMakeNone) {
  const auto limiter = Limiter::open({.config = config_, .warnings = {}, .file = ""});
  ASSERT_TRUE(limiter) << limiter.error().message;
  Decision decision;
  const auto decide = [&] {
    (*limiter)->decide({.peer = IpAddress::v4({203, 0, 113, 7}), .method = "GET", .target = "/x"},
                       decision);
  };
  decide();  // the strings of the decision take their memory
  const std::size_t before = allocations;
  for (int i = 0; i < 50; ++i) decide();
  EXPECT_EQ(allocations - before, 0U);
  EXPECT_EQ(decision.outcome, Outcome::allowed);
}

TEST_F(AllocationsTest, WithoutMemoryTheFailureModeAnswers) {
  EXPECT_EQ(decide_exhausted(FailureMode::fail_open), Outcome::failed_open);
  EXPECT_EQ(decide_exhausted(FailureMode::fail_closed), Outcome::failed_closed);
}

}  // namespace
}  // namespace tidegate
