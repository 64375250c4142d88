// Shared memory of a file, on an address that large pages can begin at.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <utility>

namespace tidegate::posix {

class Mapping {
 public:
  static constexpr std::size_t kLargePage = std::size_t{2} << 20;

  /// Maps `size` bytes of a file, readable, writable and shared, at a multiple of kLargePage. The
  /// error is errno.
  [[nodiscard]] static std::expected<Mapping, int> of(int file, std::size_t size);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

  /// Asks for large pages from `offset` on. Only a wish: without them everything is slower, and
  /// nothing else changes.
  void prefer_large_pages(std::size_t offset) const;

 private:
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace tidegate::posix
