// Clients that were here before the flood and stay: what each was charged is worked out from its
// number, so that exact references can say at any time what must remain of it.
#pragma once

#include <cstdint>
#include <variant>

#include "store/memory/store.hpp"
#include "tests/reference/fixed_window.hpp"
#include "tests/reference/sliding_window_counter.hpp"
#include "tests/reference/token_bucket.hpp"

namespace tidegate::flood {

/// In a flood of `rounds` rounds each client asks a few times before the first, once in the round
/// that its number says, and is looked at in all. The windows are long: nobody's count runs out.
class LiveClients {
 public:
  static constexpr std::uint64_t kLimit = 100;
  static constexpr std::uint64_t kWindow_us = 1'000'000'000;
  static constexpr std::uint64_t kCounters = 3;

  LiveClients(std::uint64_t count, std::uint64_t rounds) : count_(count), rounds_(rounds) {}

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] static std::uint64_t charges_before(std::uint64_t client) {
    return 10 + client / kCounters % 11;
  }
  [[nodiscard]] bool asks_in(std::uint64_t client, std::uint64_t round) const {
    return client / kCounters % rounds_ == round;
  }

  /// What a client is answered when it asks for `cost` at `now_us` in `round`, having asked before
  /// at `start_us` and, if its round is past, at the time of that round.
  template <class TimeOfRound>
  [[nodiscard]] reference::Answer right_answer(std::uint64_t client, Micros start_us,
                                               std::uint64_t round, std::uint64_t cost,
                                               TimeOfRound&& time_of) const {
    switch (client % kCounters) {
      case 0:
        return replay(reference::TokenBucket(kLimit, kWindow_us, kLimit), client, start_us, round,
                      cost, time_of);
      case 1:
        return replay(reference::FixedWindow(kLimit, kWindow_us), client, start_us, round, cost,
                      time_of);
      default:
        return replay(reference::SlidingWindowCounter(kLimit, kWindow_us), client, start_us, round,
                      cost, time_of);
    }
  }

 private:
  template <class Reference, class TimeOfRound>
  [[nodiscard]] reference::Answer replay(Reference exact, std::uint64_t client, Micros start_us,
                                         std::uint64_t round, std::uint64_t cost,
                                         TimeOfRound&& time_of) const {
    for (std::uint64_t i = 0; i < charges_before(client); ++i) exact.take(start_us, 1);
    for (std::uint64_t past = 0; past < round; ++past) {
      if (asks_in(client, past)) exact.take(time_of(past), 1);
    }
    return reference::decide(exact, time_of(round), cost);
  }

  std::uint64_t count_;
  std::uint64_t rounds_;
};

}  // namespace tidegate::flood
