// The segments of this host: their names, what they are, and how to be rid of them.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "adapters/posix/accounts.hpp"
#include "adapters/posix/segment.hpp"
#include "adapters/posix/segment_file.hpp"

namespace tidegate::posix {
namespace {

/// Whether some process counts in it. Asked within a turn, as its users do: whoever has the turn
/// now is about to count.
bool in_use(int file) {
  struct flock door{};
  door.l_type = F_RDLCK;
  door.l_whence = SEEK_SET;
  door.l_len = 1;
  if (::fcntl(file, F_OFD_SETLK, &door) != 0) return true;
  const bool used = ::flock(file, LOCK_EX | LOCK_NB) != 0;
  ::flock(file, LOCK_UN);
  return used;  // closing the file ends the turn
}

void describe(SegmentInfo& info) {
  const FileDescriptor file(
      ::open(info.path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    info.detail = std::generic_category().message(errno);
    return;
  }
  info.bytes = static_cast<std::uint64_t>(status.st_size);
  SegmentHeader header;
  if (!S_ISREG(status.st_mode) || ::pread(file.get(), &header, sizeof header, 0) != sizeof header ||
      header.magic != SegmentHeader::kMagic) {
    info.detail = "not a segment";
    return;
  }
  if (header.layout != SegmentHeader::kLayout) {
    info.detail = fmt::format("layout version {}, this program has {}", header.layout,
                              SegmentHeader::kLayout);
    return;
  }
  info.detail = fmt::format("capacity {}, log_slots {}, owner {}, mode {:04o}, {}", header.capacity,
                            header.log_slots, describe_user(status.st_uid), status.st_mode & 07777,
                            in_use(file.get()) ? "in use" : "not in use");
}

}  // namespace

std::string segment_name(const RateLimitConfig& config) {
  return config.memory.segment + '@' + config.name_space;
}

std::string segment_path(const std::string& name) {
  return fmt::format("{}/{}{}", kSegmentDirectory, kSegmentPrefix, name);
}

std::vector<SegmentInfo> list_segments() {
  std::vector<SegmentInfo> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(kSegmentDirectory, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string file = entry->path().filename();
    if (!file.starts_with(kSegmentPrefix) || !file.contains('@')) continue;
    SegmentInfo& info = found.emplace_back();
    info.name = file.substr(std::string_view(kSegmentPrefix).size());
    info.path = entry->path();
    describe(info);
  }
  std::ranges::sort(found, {}, &SegmentInfo::name);
  return found;
}

std::expected<void, Error> remove_segment(const std::string& name) {
  const auto segments = list_segments();
  const auto found = std::ranges::find(segments, name, &SegmentInfo::name);
  if (found == segments.end()) {
    std::vector<std::string_view> names;
    for (const SegmentInfo& info : segments) names.push_back(info.name);
    return std::unexpected(Error{
        names.empty()
            ? fmt::format("there is no segment {}; there is none at all", name)
            : fmt::format("there is no segment {}; there are: {}", name, fmt::join(names, ", "))});
  }
  if (::unlink(found->path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(Error{fmt::format("the segment {} ({}) cannot be removed: {}", name,
                                             found->path, std::generic_category().message(errno))});
  }
  return {};
}

}  // namespace tidegate::posix
