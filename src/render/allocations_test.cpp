// Fields are written on every response: writing them must not allocate. In a file of its own, as it
// replaces the allocator of the whole test program by one that counts.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "render/test_decisions.hpp"

namespace {
std::atomic<std::size_t> allocations = 0;
}

// NOLINTBEGIN(cppcoreguidelines-no-malloc): an allocator has to take memory from somewhere.
// Not inlined: the compiler would see malloc on one side of a pair and operator delete on the
// other, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
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
