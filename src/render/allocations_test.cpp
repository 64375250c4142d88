// Fields are written on every response: writing them must not allocate. In a file of its own, as it
// replaces the allocator of the whole test program by one that counts.
#include <gtest/gtest.h>

#include "core/test_allocations.hpp"
#include "render/test_decisions.hpp"

namespace tidegate {
namespace {

std::size_t allocations_for(std::size_t windows) {
  Decision decision = denied_decision();
  decision.windows.assign(windows, WindowState(decision.windows[0]));
  std::size_t bytes = 0;
  const auto count = [&](std::string_view, std::string_view value) { bytes += value.size(); };
  const std::size_t before = allocations;
  add_rate_limit_headers(decision, {.x_ratelimit = true, .ietf = true}, kWall, count);
  EXPECT_GT(bytes, 0U);
  return allocations - before;
}

TEST(Allocations, WritingTheFieldsOfARuleMakesNone) {
  EXPECT_EQ(allocations_for(1), 0U);
  EXPECT_EQ(allocations_for(kMaxWindowsPerRule), 0U);
}

TEST(Allocations, AreSeenWhereThereAreSome) { EXPECT_GT(allocations_for(48), 0U); }

}  // namespace
}  // namespace tidegate
