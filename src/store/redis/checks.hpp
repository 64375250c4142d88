// Checks as calls of the scripts that decide them, and its replies as answers.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "store/check.hpp"
#include "store/redis/client.hpp"
#include "store/redis/failure.hpp"
#include "store/redis/keys.hpp"
#include "store/redis/reply.hpp"

namespace tidegate::redis {

/// What became of one check of a call.
struct CheckAnswer {
  std::span<Verdict> verdicts;  ///< in: as long as the check's charges. Nothing is written on error
  Cooldown cooldown;
  std::string error;  ///< why it was not decided: its keys hold what is nothing of ours; else ""
};

/// Immutable; thread-safe.
class CheckCodec {
 public:
  /// The most checks of one call, so that no other client of the server waits long.
  static constexpr std::size_t kMostChecks = 32;

  explicit CheckCodec(KeyNames names) : names_(std::move(names)) {}

  /// The slot that all keys of a check are in, by the client of its first charge.
  [[nodiscard]] Slot slot_of(const Check& check) const;
  /// A call that decides them in this order, at a time by Redis's clock, or at `at` where that is
  /// given.
  [[nodiscard]] Call encode(std::span<const Check> checks,
                            std::optional<Micros> at = std::nullopt) const;
  /// Reads the reply to such a call. An error, and nothing else, where it is no reply to it.
  [[nodiscard]] static std::expected<void, Failure> decode(const Reply& reply,
                                                           std::span<CheckAnswer> answers);

  /// A call that forgets keys; its reply is how many there were.
  [[nodiscard]] static Call forget(std::vector<std::string> keys);

  [[nodiscard]] const KeyNames& names() const { return names_; }

 private:
  KeyNames names_;
};

/// The scripts that decide checks: one for each algorithm, of calls that ask for nothing but plain
/// checks by it (a charge each, no penalties), and last the one that decides all others.
[[nodiscard]] std::span<const Script> check_scripts();

}  // namespace tidegate::redis
