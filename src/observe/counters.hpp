// Counts of decisions in memory that all processes share, for metrics.
//
//   header    4096 bytes   identity warnings, single counts, tokens by verdict
//   rows      256 bytes each: the labels of one (endpoint, tier), and how often what was decided
//
// A row is claimed, written and then published; it never changes its labels again. Whoever dies
// in between leaves a row that nobody counts in. Two processes may publish the same labels at one
// moment: then both rows count, and whoever reads adds them up.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/client.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/status.hpp"

namespace tidegate {

/// A view on the counters in shared memory. Any number of processes and threads; nothing waits for
/// anybody. Zeroed memory is an empty table.
class Counters {
 public:
  /// Longer labels are counted as "other". Rule and tier names have at most 64 bytes.
  static constexpr std::size_t kMaxLabelBytes = 64;
  static constexpr std::size_t kMaxReasonBytes = 48;
  static constexpr std::size_t kMaxReasons = 16;
  /// What stands before the rows.
  static constexpr std::size_t kHeaderBytes = 8192;
  /// A part of it that belongs to others (zeroed as all of it, aligned to 64).
  static constexpr std::size_t kFreeAt = 2688;
  static constexpr std::size_t kFreeBytes = kHeaderBytes - kFreeAt;

  /// `memory` is aligned to 64 and has room for the header and a row at least. What it holds was
  /// written by processes that may have died at any instruction.
  explicit Counters(std::span<std::byte> memory);

  /// Counts a decision under its endpoint and tier, and what became of its token. No allocation, no
  /// lock. Once the table is full, labels that are new are counted as "other".
  void count(const Decision& decision);
  /// Counts a doubt about client addresses.
  void count_warning(std::string_view reason);

  /// What was counted, one row for each pair of labels, in the order of their names.
  [[nodiscard]] std::vector<Status::Totals> rows() const;

  [[nodiscard]] std::vector<Status::Count> warnings() const;
  /// By verdict; without those that never were.
  [[nodiscard]] std::vector<Status::Count> tokens() const;

  /// Counts an admin request without the right token.
  void count_admin_denied();
  [[nodiscard]] std::uint64_t admin_denied() const;

  /// Counts a log line that could not be written.
  void count_lost_line();
  [[nodiscard]] std::uint64_t lost_lines() const;

  // The layout of the memory, fixed for all processes.
  struct SharedLabel {
    std::atomic<std::uint8_t> size;
    std::array<char, kMaxLabelBytes> text;
    void write(std::string_view from);
    [[nodiscard]] std::string_view read() const;
  };
  struct alignas(64) SharedRow {
    std::atomic<std::uint32_t> state;
    SharedLabel endpoint;
    SharedLabel tier;
    std::array<std::atomic<std::uint64_t>, kOutcomes> requests;
    std::array<std::atomic<std::uint64_t>, kClientTypes> exceeded;
  };
  struct SharedWarning {
    std::atomic<std::uint32_t> state;
    SharedLabel reason;
    std::atomic<std::uint64_t> count;
  };

 private:
  SharedRow& row_of(std::string_view endpoint, std::string_view tier);
  SharedRow& find_row(std::string_view endpoint, std::string_view tier);

  /// The row of the last decision: most are of one rule and tier.
  std::atomic<SharedRow*> last_ = nullptr;
  std::span<SharedWarning> warnings_;
  std::atomic<std::uint64_t>* admin_denied_;
  std::atomic<std::uint64_t>* lost_lines_;
  std::span<std::atomic<std::uint64_t>> tokens_;  ///< by TokenVerdict
  std::span<SharedRow> rows_;                     ///< the first is that of "other"
};

}  // namespace tidegate
