// What the flood must not use up: memory.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidegate::flood {

/// Kilobytes of memory that are this process's now. (statm is cheaper, and off by what each
/// processor has not yet added up.)
inline std::uint64_t resident_kb() {
  std::array<char, 4096> text{};
  const int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? 0 : read(file, text.data(), text.size());
  if (file >= 0) close(file);
  std::string_view rest(text.data(), static_cast<std::size_t>(length < 0 ? 0 : length));
  const std::size_t at = rest.find("Rss:");
  std::uint64_t kb = 0;
  if (at == std::string_view::npos) return kb;
  rest.remove_prefix(rest.find_first_of("0123456789", at));
  std::from_chars(rest.data(), rest.data() + rest.size(), kb);
  return kb;
}

}  // namespace tidegate::flood
