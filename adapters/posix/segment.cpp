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
  return std::unexpected(
      Error{fmt::format("{} cannot be entered: {}",
                        name.empty() ? "the private segment" : "the segment " + name, why)});
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
                                             SegmentLayout::kConfigAt - SegmentLayout::kCountersAt);
}
const HashKey& Segment::hash_key() const { return impl_->file.header.hash_key; }
bool Segment::created() const { return impl_->file.created; }

Micros Segment::now_us() const {
  return static_cast<Micros>(boot_us() + impl_->file.header.clock_offset_us);
}
std::int64_t Segment::drift_us() const { return drift_of(impl_->file.header); }

SegmentConfig Segment::config() const {
  const auto bytes = impl_->file.mapping.bytes();
  auto& shared = *reinterpret_cast<SharedConfig*>(bytes.data() + SegmentLayout::kConfigAt);
  return {shared,
          bytes.subspan(SegmentLayout::kTextAt, SegmentLayout::kStoreAt - SegmentLayout::kTextAt)};
}

// Two kinds of lock, which do not know each other, lie on the file. The turn is a record lock of an
// open file (F_OFD_SETLK), which is opened anew for each turn: children of fork share the others.
// Being a user is a shared flock. Only within a turn does a process touch its flock: turning it
// from shared to exclusive and back is not one step, and between the two nobody else may look.
std::expected<Segment::Turn, Error> Segment::take_turn() const {
  using namespace std::chrono_literals;
  constexpr auto kPause = 5ms;
  constexpr auto kPatience = 10s;
  const std::string path = fmt::format("/proc/self/fd/{}", impl_->file.file.get());
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) {
    return cannot_take_turn(impl_->name, path + ": " + std::generic_category().message(errno));
  }
  struct flock door{};
  door.l_type = F_WRLCK;
  door.l_whence = SEEK_SET;
  door.l_len = 1;
  for (auto waited = 0ms; ::fcntl(file.get(), F_OFD_SETLK, &door) != 0; waited += kPause) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return cannot_take_turn(impl_->name, std::generic_category().message(errno));
    }
    if (waited >= kPatience) {
      return cannot_take_turn(impl_->name,
                              "another process has been starting or reloading on it for more than "
                              "ten seconds; if it is stopped or hangs, end it");
    }
    std::this_thread::sleep_for(kPause);
  }
  return Turn(std::move(file), false);
}

std::expected<Segment::Turn, Error> Segment::enter() const {
  auto turn = take_turn();
  if (!turn) return turn;
  if (impl_->name.empty()) {
    turn->alone_ = impl_->file.created;
    return turn;
  }
  const int file = impl_->file.file.get();
  turn->alone_ = ::flock(file, LOCK_EX | LOCK_NB) == 0;
  if (::flock(file, LOCK_SH | LOCK_NB) != 0) {
    return cannot_take_turn(impl_->name, std::generic_category().message(errno));
  }
  if (!is_at(file, segment_path(impl_->name))) {
    return cannot_take_turn(impl_->name,
                            "it was removed or replaced while this program opened it; try again");
  }
  return turn;
}

}  // namespace tidegate::posix
