// Counts what a test program allocates, and lets a thread run out of memory. It replaces the
// allocator of the whole program: for one source file of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace tidegate {

inline std::atomic<std::size_t> allocations = 0;
/// This thread gets no more memory.
inline thread_local bool exhausted = false;

/// Null if there is none.
inline void* count_allocation(std::size_t size) {
  ++allocations;
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc): an allocator has to take memory from somewhere
  return exhausted ? nullptr : std::malloc(size);
}

}  // namespace tidegate

// NOLINTBEGIN(cppcoreguidelines-no-malloc): as above.
// Not inlined: the compiler would see malloc on one side of a pair and operator delete on the
// other, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = tidegate::count_allocation(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return tidegate::count_allocation(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++tidegate::allocations;
  if (tidegate::exhausted) throw std::bad_alloc();
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
