#include "adapters/posix/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <thread>

#include "adapters/posix/segment_file.hpp"

namespace tidegate::posix {
namespace {

std::int64_t read_clock_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1'000;
}

std::unexpected<Error> cannot_take_turn(const std::string& name, const std::string& why) {
  return std::unexpected(Error{fmt::format("the segment {} cannot be entered: {}", name, why)});
}

/// Whether the path still names this very file.
bool is_at(int file, const std::string& path) {
  struct stat ours{};
  struct stat there{};
  return ::fstat(file, &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

}  // namespace

Micros wall_us() { return static_cast<Micros>(read_clock_us(CLOCK_REALTIME)); }
std::int64_t boot_us() { return read_clock_us(CLOCK_BOOTTIME); }

std::int64_t drift_of(const SegmentHeader& header) {
  // Unsigned, because an offset that is not ours may be any number.
  return static_cast<std::int64_t>(static_cast<Micros>(boot_us()) +
                                   static_cast<Micros>(header.clock_offset_us) - wall_us());
}

struct Segment::Impl {
  std::string name;  ///< empty: private
  SegmentFile file;
};

Segment::Segment(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Segment::Segment(Segment&&) noexcept = default;
Segment& Segment::operator=(Segment&&) noexcept = default;
Segment::~Segment() = default;

std::expected<Segment, Error> Segment::open(const RateLimitConfig& config) {
  if (config.memory.segment.empty()) {
    auto file = create_private_segment(config);
    if (!file) return std::unexpected(file.error());
    return Segment(std::make_unique<Impl>("", std::move(*file)));
  }
  // Twice around for each time that somebody creates or removes it between the two steps.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    for (auto* const step : {&open_segment_file, &create_segment_file}) {
      auto file = step(config);
      if (!file) return std::unexpected(file.error());
      if (*file) return Segment(std::make_unique<Impl>(segment_name(config), std::move(**file)));
    }
  }
  return std::unexpected(Error{
      fmt::format("the segment {} is created and removed all the time", segment_name(config))});
}

std::expected<Segment, Error> Segment::open_existing(const RateLimitConfig& config) {
  if (config.memory.segment.empty()) {
    return std::unexpected(Error{
        "[rate_limiting.memory] segment = \"\" is memory private to one process and its children: "
        "nobody else can look into it"});
  }
  auto file = open_segment_file(config);
  if (!file) return std::unexpected(file.error());
  if (!*file) {
    return std::unexpected(Error{fmt::format(
        "there is no segment {}: no program has been started with this segment and namespace",
        segment_name(config))});
  }
  return Segment(std::make_unique<Impl>(segment_name(config), std::move(**file)));
}

std::span<std::byte> Segment::store_memory() const {
  return impl_->file.mapping.bytes().subspan(SegmentLayout::kStoreAt);
}
std::span<std::byte> Segment::counters_memory() const {
  return impl_->file.mapping.bytes().subspan(SegmentLayout::kCountersAt,
                                             SegmentLayout::kTextAt - SegmentLayout::kCountersAt);
}
const HashKey& Segment::hash_key() const { return impl_->file.header.hash_key; }
bool Segment::created() const { return impl_->file.created; }

Micros Segment::now_us() const {
  return static_cast<Micros>(boot_us() + impl_->file.header.clock_offset_us);
}
std::int64_t Segment::drift_us() const { return drift_of(impl_->file.header); }

// Two kinds of lock, which do not know each other, lie on the file. The turn is a record lock of
// the open file (F_OFD_SETLK); being a user is a shared flock. Only within its turn does a process
// touch its flock: turning it from shared to exclusive and back is not one step, and between the
// two nobody else may look.
std::expected<Segment::Turn, Error> Segment::take_turn() const {
  if (impl_->name.empty()) return Turn(-1, impl_->file.created);

  using namespace std::chrono_literals;
  constexpr auto kPause = 5ms;
  constexpr auto kPatience = 10s;
  const int file = impl_->file.file.get();
  struct flock door{};
  door.l_type = F_WRLCK;
  door.l_whence = SEEK_SET;
  door.l_len = 1;
  for (auto waited = 0ms; ::fcntl(file, F_OFD_SETLK, &door) != 0; waited += kPause) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return cannot_take_turn(impl_->name, std::generic_category().message(errno));
    }
    if (waited >= kPatience) {
      return cannot_take_turn(
          impl_->name,
          "another process has been starting on it for more than ten seconds; if it is stopped "
          "or hangs, end it");
    }
    std::this_thread::sleep_for(kPause);
  }
  Turn turn(file, ::flock(file, LOCK_EX | LOCK_NB) == 0);
  if (::flock(file, LOCK_SH | LOCK_NB) != 0) {
    return cannot_take_turn(impl_->name, std::generic_category().message(errno));
  }
  if (!is_at(file, segment_path(impl_->name))) {
    return cannot_take_turn(impl_->name,
                            "it was removed or replaced while this program opened it; try again");
  }
  return turn;
}

Segment::Turn::~Turn() {
  if (file_ < 0) return;
  struct flock door{};
  door.l_type = F_UNLCK;
  door.l_whence = SEEK_SET;
  door.l_len = 1;
  ::fcntl(file_, F_OFD_SETLK, &door);
}

}  // namespace tidegate::posix
