// Making a segment. It is built in a file that has no name yet and gets its name whole: whoever
// dies on the way leaves nothing behind, and of several creators one wins.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include "adapters/posix/accounts.hpp"
#include "adapters/posix/segment.hpp"
#include "adapters/posix/segment_file.hpp"
#include "store/memory/store.hpp"

namespace tidegate::posix {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

std::unexpected<Error> cannot_create(const std::string& what, const std::string& why) {
  return std::unexpected(Error{fmt::format("cannot create {}: {}", what, why)});
}

std::unexpected<Error> no_room(const std::string& what, std::size_t needed, const char* where,
                               std::uint64_t available) {
  return cannot_create(
      what, fmt::format("it needs {} bytes and {} has {} left; lower capacity or log_slots under "
                        "[rate_limiting.memory], or give it more room",
                        needed, where, available));
}

/// What the file system of `file` has left; nothing if it is not bounded.
std::optional<std::uint64_t> available(int file) {
  struct statvfs system{};
  if (::fstatvfs(file, &system) != 0 || system.f_blocks == 0) return std::nullopt;
  return std::uint64_t{system.f_bavail} * system.f_frsize;
}

/// Reserves every page now, so that a full file system is an error here and never a signal later.
/// In steps, because an interrupted step begins again. Returns errno.
int reserve(int file, std::size_t bytes) {
  constexpr std::size_t kStep = std::size_t{64} << 20;
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t step = std::min(kStep, bytes - done);
    const int error = ::posix_fallocate(file, static_cast<off_t>(done), static_cast<off_t>(step));
    if (error != 0 && error != EINTR) return error;
    if (error == 0) done += step;
  }
  return 0;
}

/// Owner, group and mode, whatever the umask says.
std::expected<void, Error> hand_over(int file, const std::string& what,
                                     const MemoryConfig& config) {
  if (!config.group.empty()) {
    const auto group = group_of(config.group);
    if (!group) return std::unexpected(group.error());
    if (::fchown(file, static_cast<uid_t>(-1), *group) != 0) {
      return cannot_create(
          what, fmt::format("it cannot be given to the group {}: {}", config.group, reason(errno)));
    }
  }
  if (::fchmod(file, config.mode) != 0) return cannot_create(what, reason(errno));
  return {};
}

std::expected<HashKey, int> random_key() {
  HashKey key;
  if (::getrandom(&key, sizeof key, 0) != sizeof key) return std::unexpected(errno);
  return key;
}

/// Reserves, maps and formats.
std::expected<SegmentFile, Error> fill(FileDescriptor file, const std::string& what,
                                       const MemoryConfig& config) {
  const StoreGeometry geometry{config.capacity, config.log_slots};
  const SegmentLayout layout(geometry);
  if (const int error = reserve(file.get(), layout.bytes); error != 0) {
    if (const auto left = available(file.get()); error == ENOSPC && left) {
      return no_room(what, layout.bytes, kSegmentDirectory, *left);
    }
    return cannot_create(what, fmt::format("{} bytes: {}", layout.bytes, reason(error)));
  }
  auto mapping = Mapping::of(file.get(), layout.bytes);
  if (!mapping) return cannot_create(what, reason(mapping.error()));
  const auto key = random_key();
  if (!key) return cannot_create(what, reason(key.error()));

  mapping->prefer_large_pages(SegmentLayout::kStoreAt);
  const auto bytes = mapping->bytes();
  MemoryStore::format(bytes.subspan(SegmentLayout::kStoreAt), geometry);
  const Micros now_us = wall_us();
  SegmentHeader header{.bytes = layout.bytes,
                       .capacity = config.capacity,
                       .log_slots = config.log_slots,
                       .hash_key = *key,
                       .clock_offset_us = static_cast<std::int64_t>(now_us) - boot_us(),
                       .created_us = now_us};
  header.checksum = header.right_checksum();
  new (bytes.data()) SegmentHeader(header);
  return SegmentFile{std::move(file), std::move(*mapping), header, true};
}

}  // namespace

std::expected<std::optional<SegmentFile>, Error> create_segment_file(
    const RateLimitConfig& config) {
  const std::string what = "the segment " + segment_name(config);
  FileDescriptor file(::open(kSegmentDirectory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return cannot_create(what, fmt::format("{}: {}", kSegmentDirectory, reason(errno)));
  }
  // Asked first: filling the file system to learn that it is too small would disturb others.
  const std::size_t needed = SegmentLayout({config.memory.capacity, config.memory.log_slots}).bytes;
  if (const auto left = available(file.get()); left && *left < needed) {
    return no_room(what, needed, kSegmentDirectory, *left);
  }
  if (auto handed = hand_over(file.get(), what, config.memory); !handed) {
    return std::unexpected(handed.error());
  }
  auto filled = fill(std::move(file), what, config.memory);
  if (!filled) return std::unexpected(filled.error());

  const std::string unnamed = fmt::format("/proc/self/fd/{}", filled->file.get());
  const std::string path = segment_path(segment_name(config));
  if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    if (errno == EEXIST) return std::nullopt;
    return cannot_create(what, fmt::format("{}: {}", path, reason(errno)));
  }
  return std::optional(std::move(*filled));
}

std::expected<SegmentFile, Error> create_private_segment(const RateLimitConfig& config) {
  const std::string what = "private memory";
  const std::size_t needed = SegmentLayout({config.memory.capacity, config.memory.log_slots}).bytes;
  const auto physical = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (needed > physical) return no_room(what, needed, "this machine", physical);
  FileDescriptor file(::memfd_create("tidegate", MFD_CLOEXEC));
  if (!file.valid()) return cannot_create(what, reason(errno));
  return fill(std::move(file), what, config.memory);
}

}  // namespace tidegate::posix
