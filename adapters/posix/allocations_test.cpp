// A decision that is allowed must not allocate, and one without memory must still be an answer. In
// a file of its own, as it replaces the allocator of the whole test program.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "adapters/posix/test_segments.hpp"
#include "tidegate/limiter.hpp"

namespace {
std::atomic<std::size_t> allocations = 0;
thread_local bool exhausted = false;
}  // namespace

// NOLINTBEGIN(cppcoreguidelines-no-malloc): this is where memory comes from.
// Not inlined: the compiler would see malloc on one side of a pair and operator delete on the
// other, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (exhausted) throw std::bad_alloc();
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  if (exhausted) throw std::bad_alloc();
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return exhausted ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
// NOLINTEND(cppcoreguidelines-no-malloc)

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
