// An access log put to a configuration, or to two: who would have been limited, and how often.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text_hash.hpp"
#include "engine/access_line.hpp"
#include "engine/replay.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// What one configuration would have done.
struct AccessTally {
  struct Rule {
    std::string name;
    std::uint64_t matched = 0;  ///< requests that met it; with two readings of a path, both rules
    std::uint64_t rejected = 0;
    std::uint64_t shadow = 0;         ///< let through, and the rule or another shadow would not
    std::uint64_t rejected_only = 0;  ///< rejected here, and let through by the other configuration
  };
  std::array<std::uint64_t, kOutcomes> outcomes{};  ///< requests, by Outcome
  std::uint64_t rejected_only = 0;
  std::vector<Rule> rules;  ///< all there are, in the order of the policy

  [[nodiscard]] std::uint64_t of(Outcome outcome) const {
    return outcomes[static_cast<std::size_t>(outcome)];
  }
};

/// What happened to one client, under each of the two configurations.
struct AccessClient {
  std::uint64_t requests = 0;  ///< that one of the configurations would have counted
  std::array<std::uint64_t, 2> rejected{};
  std::array<std::uint64_t, 2> rejected_only{};
};

/// Reads the lines of a log, decides them and keeps count. Needs memory for the tables of the
/// configurations, for kMaxClients clients and for the lines of one second, however long the log
/// is. Not thread-safe.
///
/// Logs name whole seconds: the lines of one are taken as spread evenly over it, in their order.
/// Servers write a line when a request ends, so times go back a little: such a line counts as
/// of the second that was reached.
class AccessReplay {
 public:
  static constexpr std::size_t kMaxClients = 1'000'000;
  /// A line that is older than another before it by more than this is left out.
  static constexpr std::uint64_t kMaxStepBack_s = 3'600;

  /// `other` null: there is nothing to compare with. So many clients are told apart; those that
  /// come later are counted together. The error says why a configuration cannot be compiled or has
  /// no room in its own table.
  [[nodiscard]] static std::expected<AccessReplay, Error> create(
      const RateLimitConfig& config, const RateLimitConfig* other,
      std::size_t max_clients = kMaxClients);

  /// Takes the next line, without its newline.
  void line(std::string_view text);
  /// Decides what is still held back. To be called behind the last line.
  void finish();

  struct Skipped {
    std::uint64_t lines = 0;
    std::uint64_t first = 0;  ///< number of the first such line, from 1
  };
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  [[nodiscard]] std::uint64_t decided() const { return decided_; }
  [[nodiscard]] const Skipped& skipped(AccessLineFault fault) const {
    return skipped_[static_cast<std::size_t>(fault)];
  }
  /// Of the lines that were decided, seconds since the Unix epoch. Nothing: there was none.
  [[nodiscard]] std::optional<std::uint64_t> first_s() const { return first_s_; }
  [[nodiscard]] std::uint64_t last_s() const { return second_; }
  /// How many lines have each status; 0: none was logged.
  [[nodiscard]] const std::array<std::uint64_t, 1000>& statuses() const { return statuses_; }
  /// Of the first configuration, or of the one it is compared with.
  [[nodiscard]] const AccessTally& tally(std::size_t which) const { return sides_[which].tally; }
  [[nodiscard]] bool compares() const { return sides_.size() == 2; }
  using Clients = std::unordered_map<std::string, AccessClient, TextHash, std::equal_to<>>;
  /// By their texts under the first configuration; exempt ones are left out.
  [[nodiscard]] const Clients& clients() const { return clients_; }
  /// All that came when there was no room for their names.
  [[nodiscard]] const AccessClient& other_clients() const { return other_clients_; }
  /// Charges that found no room of their own, so that clients shared one count.
  [[nodiscard]] std::uint64_t overflow(std::size_t which) const;

 private:
  struct Side {
    Replay replay;
    AccessTally tally;
    std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> rule_of;
  };
  AccessReplay(std::vector<Side> sides, std::size_t max_clients)
      : sides_(std::move(sides)), max_clients_(max_clients) {}

  void skip(AccessLineFault fault);
  void decide_held();
  void decide(const AccessLine& line, std::uint64_t t_us);
  static void count(Side& side, const Decision& decision, bool rejected_only);
  void count_client(const std::array<const Decision*, 2>& decisions);

  std::vector<Side> sides_;  // one or two
  std::uint64_t lines_ = 0;
  std::uint64_t decided_ = 0;
  std::array<Skipped, kAccessLineFaults> skipped_{};
  std::array<std::uint64_t, 1000> statuses_{};
  std::optional<std::uint64_t> first_s_;
  std::size_t max_clients_;
  Clients clients_;
  AccessClient other_clients_;

  AccessLine read_;
  std::uint64_t second_ = 0;      // that the lines held back are of
  bool second_is_full_ = false;   // some of its lines have been decided already
  std::vector<AccessLine> held_;  // the first held_lines_ are in use; the others keep their memory
  std::size_t held_lines_ = 0;
  std::size_t held_bytes_ = 0;
};

/// A report for a human, which names the `top` clients that would have been limited most.
[[nodiscard]] std::string report(const AccessReplay& replay, std::size_t top);

}  // namespace tidegate
