// The file behind a segment: its name, its creation, and the checks before anything in it is
// believed.
#pragma once

#include <sys/stat.h>

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "adapters/posix/file_descriptor.hpp"
#include "adapters/posix/mapping.hpp"
#include "adapters/posix/segment_layout.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

inline constexpr const char* kSegmentDirectory = "/dev/shm";
inline constexpr const char* kSegmentPrefix = "tidegate.";

/// "<segment>@<namespace>". Neither part can hold an @, so no two configurations that differ in
/// them meet in one file.
[[nodiscard]] std::string segment_name(const RateLimitConfig& config);
[[nodiscard]] std::string segment_path(const std::string& name);

struct SegmentFile {
  FileDescriptor file;
  Mapping mapping;
  SegmentHeader header;  ///< a copy that has passed the checks
  bool created = false;
};

/// Who opens a segment.
struct Opener {
  uid_t user;
  gid_t group;
};
/// Everything about a file that keeps the opener from sharing it. The mode says who may: where it
/// lets others than the owner write, whoever they are may have made it; else it must be ours. An
/// error if the configuration names a group that does not exist.
[[nodiscard]] std::expected<std::vector<std::string>, Error> what_forbids_sharing(
    const struct stat& status, const Opener& opener, const MemoryConfig& config);

/// Opens and checks. Nothing: there is no such file.
[[nodiscard]] std::expected<std::optional<SegmentFile>, Error> open_segment_file(
    const RateLimitConfig& config);
/// Makes a whole segment and then gives it its name. Nothing: somebody else was first.
[[nodiscard]] std::expected<std::optional<SegmentFile>, Error> create_segment_file(
    const RateLimitConfig& config);
/// The same without a name.
[[nodiscard]] std::expected<SegmentFile, Error> create_private_segment(
    const RateLimitConfig& config);

/// CLOCK_BOOTTIME in microseconds: no step of the wall clock moves it, suspend does not stop it.
[[nodiscard]] std::int64_t boot_us();
/// How far a segment's clock is ahead of the wall clock, microseconds. Any header will do.
[[nodiscard]] std::int64_t drift_of(const SegmentHeader& header);

}  // namespace tidegate::posix
