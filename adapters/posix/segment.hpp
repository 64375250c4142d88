// The named memory that all processes of a host share: a file in /dev/shm, mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// A mapped segment: header, counters for metrics, configuration text, and the store's table. The
/// mapping is given back by the destructor; the file stays. Mapped once per process, inherited by
/// fork. Const members are thread-safe.
///
///   auto segment = Segment::open(config);
///   { auto turn = segment->take_turn();          // before anything is counted
///     store->bind(counters, now, turn->alone()); }
class Segment {
 public:
  /// Opens the segment that `config.memory.segment` and the namespace name, or creates and
  /// publishes it whole; an empty name gives memory private to this process and its children.
  /// Fails, with both values named, if what is there differs in owner, mode, magic, layout or
  /// sizes; and with a clear line if /dev/shm has no room.
  [[nodiscard]] static std::expected<Segment, Error> open(const RateLimitConfig& config);
  /// Opens an existing one and never creates: for peek, reset and other commands.
  [[nodiscard]] static std::expected<Segment, Error> open_existing(const RateLimitConfig& config);

  Segment(Segment&&) noexcept;
  Segment& operator=(Segment&&) noexcept;
  ~Segment();

  [[nodiscard]] std::span<std::byte> store_memory() const;     ///< for MemoryStore
  [[nodiscard]] std::span<std::byte> counters_memory() const;  ///< for observe's counters
  [[nodiscard]] const HashKey& hash_key() const;               ///< random, made at creation
  [[nodiscard]] bool created() const;                          ///< by this call

  /// The time between opening a segment and counting in it, which one process at a time has: so
  /// that whoever finds itself alone stays alone until it has laid out the memory. Ends with the
  /// object's life, or with the process's.
  class Turn {
   public:
    /// True if no other process counted in the segment when the turn began. The kernel was asked:
    /// the dead do not count, and PID namespaces make no difference. A parent and its children are
    /// one.
    [[nodiscard]] bool alone() const { return alone_; }
    Turn(Turn&& other) noexcept : file_(std::exchange(other.file_, -1)), alone_(other.alone_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    friend class Segment;
    Turn(int file, bool alone) : file_(file), alone_(alone) {}
    int file_;
    bool alone_;
  };
  /// Waits for its turn, at most ten seconds; from then on this process counts as a user of the
  /// segment until the segment is closed here and in all children. Fails if another process keeps
  /// its turn, or if the segment was removed meanwhile. The turn must end before the segment does.
  [[nodiscard]] std::expected<Turn, Error> take_turn() const;

  /// Microseconds since the Unix epoch by the segment's clock: CLOCK_BOOTTIME plus the offset
  /// written at creation. No step of the wall clock moves it; all processes agree.
  [[nodiscard]] Micros now_us() const;
  /// How far the segment's clock is ahead of the wall clock, microseconds. More than a few seconds
  /// deserve a warning; more than an hour would not have been opened.
  [[nodiscard]] std::int64_t drift_us() const;

 private:
  struct Impl;
  explicit Segment(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SegmentInfo {
  std::string name;  ///< "<segment>@<namespace>"
  std::string path;
  std::uint64_t bytes = 0;
  std::string detail;  ///< capacity and so on, or why it cannot be read
};
[[nodiscard]] std::vector<SegmentInfo> list_segments();
/// Removes the file of a segment, whatever it holds. Processes that have it mapped go on with their
/// copy; new ones create a new one.
[[nodiscard]] std::expected<void, Error> remove_segment(const std::string& name);

/// The wall clock (CLOCK_REALTIME) in microseconds since the Unix epoch.
[[nodiscard]] Micros wall_us();

}  // namespace tidegate::posix
