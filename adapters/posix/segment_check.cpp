// Opening a segment that somebody else has made. Nothing in it is believed before it is checked,
// and every difference is named with both values: a second, silent segment would be a second
// allowance for everybody.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "adapters/posix/accounts.hpp"
#include "adapters/posix/segment.hpp"
#include "adapters/posix/segment_file.hpp"

namespace tidegate::posix {
namespace {

constexpr std::int64_t kMaxDrift_us = std::int64_t{3600} * 1'000'000;

template <class Found, class Wanted>
std::string difference(const char* what, const Found& found, const Wanted& wanted) {
  return fmt::format("its {} is {}, not {}", what, found, wanted);
}

/// Builds the one line that says what is wrong with a segment and how to mend it.
class Complaint {
 public:
  explicit Complaint(std::string name) : name_(std::move(name)) {}

  /// A value that is not the one wanted.
  template <class Found, class Wanted>
  void differs(const char* what, const Found& found, const Wanted& wanted) {
    differences_.push_back(difference(what, found, wanted));
  }
  void add(std::string difference) { differences_.push_back(std::move(difference)); }

  [[nodiscard]] bool empty() const { return differences_.empty(); }
  [[nodiscard]] std::unexpected<Error> as_error(const char* mend) const {
    return std::unexpected(Error{fmt::format(
        "the segment {0} ({1}) cannot be shared: {2}; {3}stop all programs that use it and run "
        "`tidegate segment remove {0}`",
        name_, segment_path(name_), fmt::join(differences_, ", "), mend)});
  }

 private:
  std::string name_;
  std::vector<std::string> differences_;
};

void check_header(const SegmentHeader& header, std::uint64_t file_bytes, const MemoryConfig& config,
                  Complaint& complaint) {
  if (header.magic != SegmentHeader::kMagic) {
    complaint.add(fmt::format("it does not begin like a segment ({:016x}, not {:016x})",
                              header.magic, SegmentHeader::kMagic));
    return;
  }
  if (header.layout != SegmentHeader::kLayout) {
    complaint.differs("layout version", header.layout, SegmentHeader::kLayout);
    return;
  }
  if (header.capacity != config.capacity) {
    complaint.differs("capacity", header.capacity, config.capacity);
  }
  if (header.log_slots != config.log_slots) {
    complaint.differs("log_slots", header.log_slots, config.log_slots);
  }
  if (header.bytes != file_bytes) {
    complaint.differs("size in bytes", file_bytes, header.bytes);
  }
  const SegmentLayout layout({config.capacity, config.log_slots});
  if (complaint.empty() && header.bytes != layout.bytes) {
    complaint.differs("size in bytes", header.bytes, layout.bytes);
  }
  // Last, so that a value that differs is named as such.
  if (complaint.empty() && header.checksum != header.right_checksum()) {
    complaint.add(fmt::format("its header was damaged (its checksum is {:016x}, not {:016x})",
                              header.checksum, header.right_checksum()));
  }
}

}  // namespace

std::expected<std::vector<std::string>, Error> what_forbids_sharing(const struct stat& status,
                                                                    const Opener& opener,
                                                                    const MemoryConfig& config) {
  constexpr mode_t kGroupWrites = 0020;
  constexpr mode_t kOthersWrite = 0002;
  if (!S_ISREG(status.st_mode)) return std::vector<std::string>{"it is not a regular file"};
  std::vector<std::string> faults;
  if (status.st_nlink > 1) {
    faults.push_back(fmt::format("it has {} names (hard links), not 1", status.st_nlink));
  }
  if (const mode_t mode = status.st_mode & 07777; mode != config.mode) {
    faults.push_back(fmt::format("its mode is {:04o}, not {:04o}", mode, config.mode));
  }
  const bool ours = status.st_uid == opener.user;
  if (!ours && (config.mode & (kGroupWrites | kOthersWrite)) == 0) {
    faults.push_back(difference("owner", describe_user(status.st_uid), describe_user(opener.user)));
  }
  if (!config.group.empty() || (!ours && (config.mode & kOthersWrite) == 0)) {
    const auto wanted =
        config.group.empty() ? std::expected<gid_t, Error>(opener.group) : group_of(config.group);
    if (!wanted) return std::unexpected(wanted.error());
    if (status.st_gid != *wanted) {
      faults.push_back(difference("group", describe_group(status.st_gid), describe_group(*wanted)));
    }
  }
  return faults;
}

std::expected<std::optional<SegmentFile>, Error> open_segment_file(const RateLimitConfig& config) {
  const std::string name = segment_name(config);
  const std::string path = segment_path(name);
  Complaint complaint(name);

  // O_NONBLOCK is for what is not a file: a pipe must not hold us up.
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) return std::nullopt;
    if (errno == ELOOP) {
      complaint.add("it is a symbolic link, not a regular file");
      return complaint.as_error("");
    }
    const int error = errno;
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      complaint.add(fmt::format(
          "it cannot be opened by {}: {} (its owner is {}, its group {}, its mode {:04o})",
          describe_user(::geteuid()), std::generic_category().message(error),
          describe_user(status.st_uid), describe_group(status.st_gid), status.st_mode & 07777));
      return complaint.as_error("set mode and group under [rate_limiting.memory] to share it, or ");
    }
    complaint.add(
        fmt::format("it is not a regular file ({})", std::generic_category().message(error)));
    return complaint.as_error("");
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    complaint.add(std::generic_category().message(errno));
    return complaint.as_error("");
  }
  const auto forbidden = what_forbids_sharing(status, {::geteuid(), ::getegid()}, config.memory);
  if (!forbidden) return std::unexpected(forbidden.error());
  for (const std::string& fault : *forbidden) complaint.add(fault);
  if (!complaint.empty()) {
    return complaint.as_error(S_ISREG(status.st_mode) ? "use the same mode and group, or " : "");
  }

  SegmentHeader header;
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  if (::pread(file.get(), &header, sizeof header, 0) != sizeof header) {
    complaint.add(
        fmt::format("it has {} bytes, and the header alone has {}", file_bytes, sizeof header));
    return complaint.as_error("");
  }
  check_header(header, file_bytes, config.memory, complaint);
  if (!complaint.empty()) return complaint.as_error("use the same values, or ");

  if (const std::int64_t drift_us = drift_of(header);
      drift_us > kMaxDrift_us || drift_us < -kMaxDrift_us) {
    complaint.add(fmt::format("its clock is {} s {} the wall clock", std::abs(drift_us / 1'000'000),
                              drift_us > 0 ? "ahead of" : "behind"));
    return complaint.as_error("set the wall clock right, or ");
  }

  auto mapping = Mapping::of(file.get(), header.bytes);
  if (!mapping) {
    complaint.add(
        fmt::format("it cannot be mapped: {}", std::generic_category().message(mapping.error())));
    return complaint.as_error("");
  }
  mapping->prefer_large_pages(SegmentLayout::kStoreAt);
  return SegmentFile{std::move(file), std::move(*mapping), header, false};
}

}  // namespace tidegate::posix
