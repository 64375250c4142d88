// The names of the busiest clients, in memory that all processes share: the table of counts holds
// hashes only, and metrics have to name somebody.
//
// Kept by the "frequent" algorithm (Misra and Gries, "Finding repeated elements", 1982), in sets
// of eight as a cache keeps lines: a client that is there counts up; a newcomer counts down the
// least of its set, and takes its place at zero. So who asks often stays, and a flood of invented
// clients comes and goes. What is shown of a client is read from the store, never from here.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// A view on the shared names. Any number of processes and threads; nothing waits for anybody, and
/// a process may die at any instruction: a name half written is never shown.
class TopClients {
 public:
  /// Clients with a longer text are not named.
  static constexpr std::size_t kMaxNameBytes = 264;
  static constexpr std::size_t kMaxLabelBytes = 64;
  static constexpr std::size_t kSet = 8;

  /// Zeroed memory, aligned to 64, is an empty table. At least one set must fit.
  explicit TopClients(std::span<std::byte> memory);

  /// Notes that a client asked under the rule of the decision's tightest window.
  void note(const Decision& decision);
  /// The same, and what he has used, for counts that cannot be looked at later: they are elsewhere.
  void note_used(const Decision& decision);

  struct Named {
    std::string client;
    std::string endpoint;
    std::string tier;
    std::uint64_t weight = 0;  ///< the larger, the busier
    std::size_t place = 0;     ///< for forget
    // As he was last told; all 0 without note_used.
    std::uint64_t used = 0;
    std::uint64_t limit = 0;
    Micros until = 0;  ///< then it is nothing again
  };
  /// The busiest, at most so many, the busiest first.
  [[nodiscard]] std::vector<Named> named(std::size_t at_most = std::size_t(-1)) const;
  /// Gives a place free if it is still that client's: he has nothing left in the store.
  void forget(const Named& named);

  struct alignas(64) SharedName {
    std::atomic<std::uint64_t> key;  ///< 0: free; else see top_clients.cpp
    std::atomic<std::uint64_t> weight;
    std::atomic<Micros> claimed_us;  ///< while it is written
    std::array<std::atomic<std::uint64_t>, (kMaxNameBytes + 2 * kMaxLabelBytes) / 8> text;
    std::atomic<std::uint32_t> lengths;  ///< of client, endpoint and tier: 12, 10 and 10 bits
    std::atomic<std::uint64_t> used;     ///< and the limit, 32 bits each
    std::atomic<Micros> until;
  };
  static_assert(sizeof(SharedName) == 448);

 private:
  /// Null: he has no place, or not yet.
  SharedName* find_or_take(const Decision& decision);
  /// The name at a place, if it is there whole.
  [[nodiscard]] std::optional<Named> read(std::size_t place) const;
  static bool take_place(SharedName& name, std::uint64_t seen, std::uint64_t key,
                         const Decision& decision);

  std::span<SharedName> names_;
};

}  // namespace tidegate
