// The named memory that all processes of a host share: a file in /dev/shm, mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// A mapped segment: header, counters for metrics, configuration text, and the store's table. The
/// mapping is given back by the destructor; the file stays. Mapped once per process, inherited by
/// fork. Const members are thread-safe.
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
  [[nodiscard]] bool created()
      const;  ///< this call created it, so its memory was formatted just now
  /// True while no other process has the segment open (asked of the kernel, so the dead do not
  /// count).
  [[nodiscard]] bool alone() const;

  /// Microseconds since the Unix epoch by the segment's clock: CLOCK_BOOTTIME plus the offset
  /// written at creation. No step of the wall clock moves it; all processes agree.
  [[nodiscard]] Micros now_us() const;
  /// How far the segment's clock has drifted from the wall clock, signed microseconds.
  [[nodiscard]] std::int64_t drift_us() const;

 private:
  Segment();
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
};

struct SegmentInfo {
  std::string name;
  std::string path;
  std::uint64_t bytes = 0;
  std::string detail;  ///< capacity and so on, or why it cannot be read
};
[[nodiscard]] std::vector<SegmentInfo> list_segments();
/// Removes the file. Processes that have it mapped go on with their copy; new ones create a new
/// one.
[[nodiscard]] std::expected<void, Error> remove_segment(const std::string& name);

/// The wall clock (CLOCK_REALTIME) in microseconds since the Unix epoch.
[[nodiscard]] Micros wall_us();

}  // namespace tidegate::posix
