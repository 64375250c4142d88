// The circuit breaker: after so many failed exchanges in a row nobody waits for the store any more,
// until one probe was answered.
//
// It is shared by all processes of a host, as a store that is gone is gone for all of them: the
// memory is handed in.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "core/time.hpp"

namespace tidegate {

enum class BreakerState : std::uint8_t { closed, half_open, open };
/// "closed", "half-open" or "open".
[[nodiscard]] std::string_view to_string(BreakerState state);

/// In shared memory. All zero: closed. Times are microseconds of a clock that its sharers agree on
/// and that does not go back.
struct BreakerMemory {
  std::atomic<std::uint64_t> failures;  ///< in a row
  std::atomic<Micros> open_until;       ///< 0: closed
  std::atomic<Micros> opened_at;        ///< of this outage
  std::atomic<Micros> probe_until;      ///< whoever probes has until then; 0: nobody does
};

/// Of a breaker that is only looked at.
[[nodiscard]] BreakerState state_of(const BreakerMemory& memory, Micros now);

/// Any number of threads and processes; nothing waits. Whoever dies while he probes keeps others
/// from probing for `patience`.
class Breaker {
 public:
  struct Options {
    std::uint64_t threshold = 3;     ///< failures in a row that open it, at least 1
    Micros timeout_us = 30'000'000;  ///< from there to the next probe
    Micros patience_us = 100'000;    ///< how long a probe may take
  };
  Breaker(const Options& options, BreakerMemory& memory) : options_(options), memory_(memory) {}

  [[nodiscard]] BreakerState state(Micros now) const { return state_of(memory_, now); }
  /// No failure since the last success: what is remembered of the store may be believed.
  [[nodiscard]] bool trusted() const {
    return memory_.failures.load(std::memory_order_relaxed) == 0 && memory_.open_until.load() == 0;
  }

  enum class Leave : std::uint8_t { yes, probe, no };
  /// Whether an exchange may leave now. Who is told `probe` is the only one, and reports what
  /// became of it as a probe.
  [[nodiscard]] Leave may_leave(Micros now);

  /// Reports an exchange that was answered. True: it ended an outage.
  bool succeed(bool probe);
  /// Reports one that failed. True: it began an outage.
  bool fail(bool probe, Micros now);
  /// The probe came to nothing without having been an exchange (it was cancelled).
  void withdraw_probe() { memory_.probe_until = 0; }
  /// Somebody heard from the store: no need to wait until a probe is due.
  void hurry(Micros now);
  /// Nobody will ask this store again. True: that ended an outage.
  bool close();

  /// Until the next probe; 0 if one is due or none is needed.
  [[nodiscard]] Micros until_probe(Micros now) const;
  /// When the last outage began.
  [[nodiscard]] Micros began() const { return memory_.opened_at.load(); }

 private:
  Options options_;
  BreakerMemory& memory_;
};

}  // namespace tidegate
