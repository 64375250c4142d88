#include "adapters/posix/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Linux 6.1; headers of older C libraries do not name it
#endif

namespace tidegate::posix {

std::expected<Mapping, int> Mapping::of(int file, std::size_t size) {
  // Reserve one large page more than is needed, and give back what lies around the aligned part.
  const std::size_t reserved = size + kLargePage;
  void* const space = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (space == MAP_FAILED) return std::unexpected(errno);
  auto* const begin = static_cast<std::byte*>(space);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % kLargePage;
  std::byte* const aligned = begin + before;

  if (::mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) ==
      MAP_FAILED) {
    const int error = errno;
    ::munmap(space, reserved);
    return std::unexpected(error);
  }
  if (before != 0) ::munmap(begin, before);
  ::munmap(aligned + size, reserved - before - size);
  return Mapping({aligned, size});
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

void Mapping::prefer_large_pages(std::size_t offset) const {
  const auto part = bytes_.subspan(offset);
  ::madvise(part.data(), part.size(), MADV_HUGEPAGE);
  ::madvise(part.data(), part.size(), MADV_COLLAPSE);
}

}  // namespace tidegate::posix
