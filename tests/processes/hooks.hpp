// What the torture test puts between two steps of the protocol: yields, and sudden deaths. And
// variants of the protocol with one of its parts left out, which the test has to catch.
#pragma once

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <random>

#include "store/memory/hooks.hpp"

namespace tidegate::torture {

/// The disturbances of one worker. A worker dies by its own hand, so that it dies at a step and not
/// only where the scheduler would have stopped it anyway; SIGKILL all the same.
struct Disturbance {
  std::mt19937_64 random;
  std::uint64_t steps_per_yield = 16;
  std::uint64_t steps_per_death = 0;                      ///< 0: never
  std::atomic<std::uint64_t>* deaths_at_steps = nullptr;  ///< counts them
  void (*look)() = nullptr;                               ///< called at each step, if there is one

  [[nodiscard]] bool chance(std::uint64_t one_in) { return random() % one_in == 0; }
};
inline thread_local Disturbance disturbance;

struct RealHooks : NoHooks {
  static void step() {
    Disturbance& here = disturbance;
    if (here.look != nullptr) here.look();
    if (here.chance(here.steps_per_yield)) sched_yield();
    if (here.steps_per_death == 0 || !here.chance(here.steps_per_death)) return;
    here.deaths_at_steps->fetch_add(1);
    kill(getpid(), SIGKILL);
  }
};

/// Tag and word by an instruction each.
struct TagAndWordApart : RealHooks {
  static bool swap(Entry& entry, const Entry& seen, const Entry& next) {
    if (!__sync_bool_compare_and_swap(&entry.tag, seen.tag, next.tag)) return false;
    step();
    return __sync_bool_compare_and_swap(&entry.word, seen.word, next.word);
  }
};

/// What was read is looked at again, and written over whatever has come in between.
struct LostUpdate : RealHooks {
  static bool swap(Entry& entry, const Entry& seen, const Entry& next) {
    Entry now = load(entry);
    if (now != seen) return false;
    step();
    while (!compare_and_swap(entry, now, next)) now = load(entry);
    return true;
  }
};

/// A new entry is written at once, without a claim.
struct NoPending : RealHooks {
  static constexpr bool kClaimsArePending = false;
};

/// Nobody says how late the state of an evicted entry reached.
struct NoHorizon : RealHooks {
  static constexpr bool kHorizon = false;
};

/// What was written for nothing is taken off again, instead of put back.
struct UndoBySubtraction : RealHooks {
  static constexpr bool kUndoesExactly = false;
};

}  // namespace tidegate::torture
