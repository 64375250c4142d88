// What the operations of one client may answer, one after another, and what contract and protocol
// allow besides: the sequential half of the check for linearizability.
//
// An operation is a row of steps, each on one window at one moment, because windows are looked at
// and written one by one. What a group has to keep to all the same is in its steps: all of them
// take, or none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/charge.hpp"
#include "tests/processes/history.hpp"
#include "tests/reference/exact.hpp"

namespace tidegate::torture {

using reference::Exact;

enum class Does : std::uint8_t {
  take,    ///< admitted, and charged
  refuse,  ///< did not fit
  fit,     ///< would have fitted, in a group that was refused
  look,    ///< cost 0
  forget,  ///< reset what was there
  miss     ///< found nothing to reset
};

struct Step {
  const Record* record = nullptr;
  Moment from = 0;
  Moment to = 0;
  Does does = Does::look;
  std::uint8_t counter = 0;
  std::uint8_t number = 0;  ///< of the step in its record
  bool pending = false;     ///< happened or not, and without an answer
  bool loose = false;       ///< only an admission is checked: see loosen in histories.cpp
  reference::Answer answer;
};

/// One window of a client.
struct WindowState {
  Exact exact;
  bool present = false;  ///< the client has an entry
  friend bool operator==(const WindowState&, const WindowState&) = default;
};

/// A charge that is there for others to see, and that whoever made it will put back.
struct Held {
  std::size_t worker = 0;
  std::uint8_t counter = 0;
  Micros now_us = 0;
  WindowState before;
  friend bool operator==(const Held&, const Held&) = default;
};

struct ClientState {
  std::vector<WindowState> windows;
  std::vector<Held> held;
  std::uint64_t conflicts = 0;  ///< charges that a race left behind so far
  friend bool operator==(const ClientState&, const ClientState&) = default;
};

class ClientModel {
 public:
  /// The owner of a charge that a killed worker made and that the table may still forget.
  static constexpr std::size_t kNobody = ~std::size_t{0};

  /// `horizons` are sorted. `conflicts` is how many charges races may leave behind.
  ClientModel(const std::vector<Counter>& counters,
              const std::array<std::vector<Ticks>, kHorizons>& horizons, std::uint64_t conflicts)
      : counters_(counters), horizons_(horizons), conflicts_(conflicts) {}

  [[nodiscard]] ClientState never_seen() const {
    ClientState state;
    for (const Counter& counter : counters_) {
      state.windows.push_back({Exact(counter.window), false});
    }
    return state;
  }

  /// All states that `step` of `worker` may lead to.
  void after(const ClientState& state, const Step& step, std::size_t worker,
             std::vector<ClientState>& states) const;

  /// The step does not happen, nor those after it in its record: whoever made it was killed.
  [[nodiscard]] static bool may_be_skipped(const ClientState& state, const Step& step,
                                           std::size_t worker) {
    return step.pending && !holds(state, worker);
  }

  /// Whether a step that changes nothing may be taken as soon as it fits: before others it would
  /// only be in the way of what its record may do meanwhile.
  [[nodiscard]] bool is_plain_look(const Step& step) const {
    return !step.pending && !provides(step);
  }

  /// States that a decision in flight may lead to before its next step: with a new entry that
  /// counts nothing yet, or with a charge that it has written and will put back.
  void meanwhile(const ClientState& state, const Step& step, std::size_t worker,
                 std::vector<ClientState>& states) const;

 private:
  /// A time at which a decision may be made, and whether it found an entry.
  struct Option {
    Ticks at = 0;
    bool absent = false;
  };

  [[nodiscard]] bool is_log(std::uint8_t counter) const {
    return counters_[counter].window.algorithm == Algorithm::sliding_window;
  }
  /// Whether an entry is made first, and charged then.
  [[nodiscard]] bool provides(const Step& step) const {
    return step.record->call == Call::decide && step.record->cost != 0 &&
           (step.record->charges > 1 || is_log(step.counter));
  }
  [[nodiscard]] static bool holds(const ClientState& state, std::size_t worker) {
    return std::ranges::any_of(state.held, [&](const Held& h) { return h.worker == worker; });
  }
  [[nodiscard]] std::vector<Option> options(const WindowState& window, const Step& step) const;
  [[nodiscard]] WindowState newcomer(const Step& step, Ticks at) const {
    WindowState window{Exact(counters_[step.counter].window), true};
    window.exact.come_to(at / kTicksPerMicro);
    return window;
  }
  [[nodiscard]] static bool answers(const Step& step, const reference::Answer& at_its_time,
                                    Ticks at);
  /// Somebody has charged on top of what others hold: that stays. False if no race may do that any
  /// more.
  [[nodiscard]] bool settle(ClientState& state, std::uint8_t counter) const;
  void take(const ClientState& state, const Step& step, const Option& option,
            std::vector<ClientState>& states) const;

  const std::vector<Counter>& counters_;
  const std::array<std::vector<Ticks>, kHorizons>& horizons_;
  std::uint64_t conflicts_;
};

inline std::vector<ClientModel::Option> ClientModel::options(const WindowState& window,
                                                             const Step& step) const {
  const Ticks now = step.record->now;
  std::vector<Option> found;
  if (window.present) found.push_back({now, false});
  // Without an entry the time is not before the horizon, whose value at that moment nobody knows.
  const Horizon which = is_log(step.counter) ? of_rings : of_table;
  const auto& all = horizons_[which];
  const auto first = std::ranges::lower_bound(all, step.record->horizon_before[which]);
  const auto last = std::ranges::upper_bound(all, step.record->horizon_after[which]);
  Ticks latest_past = 0;
  bool past = false;
  const auto evicted_by = [&](Ticks horizon) {
    return !window.present || window.exact.forgotten_by(horizon / kTicksPerMicro);
  };
  for (auto horizon = first; horizon != last; ++horizon) {
    if (*horizon <= now) {
      past = true;
      latest_past = *horizon;
    } else if (evicted_by(*horizon)) {
      found.push_back({*horizon, true});
    }
  }
  if (past && evicted_by(latest_past)) found.push_back({now, true});
  return found;
}

inline bool ClientModel::answers(const Step& step, const reference::Answer& at_its_time, Ticks at) {
  if (step.pending || step.loose) return true;
  reference::Answer right = at_its_time;
  if (const Ticks now = step.record->now; at > now) {
    const Micros by = micros_ceil(at - now);
    if (right.reset_us != 0) right.reset_us += by;
    if (right.retry_after_us != 0) right.retry_after_us += by;
    right.more_after_us += by;
  }
  return step.answer == right;
}

inline bool ClientModel::settle(ClientState& state, std::uint8_t counter) const {
  std::erase_if(state.held, [&](const Held& held) {
    if (held.counter != counter) return false;
    if (held.worker != kNobody) ++state.conflicts;
    return true;
  });
  return state.conflicts <= conflicts_;
}

inline void ClientModel::take(const ClientState& state, const Step& step, const Option& option,
                              std::vector<ClientState>& states) const {
  const std::uint64_t cost = step.record->cost;
  ClientState next = state;
  WindowState& window = next.windows[step.counter];
  Ticks at = option.at;
  if (option.absent) {
    window = newcomer(step, at);
    if (provides(step)) at = step.record->now;
  }
  const WindowState before = window;
  const reference::Answer answer = window.exact.decide(at / kTicksPerMicro, cost);
  if (!answer.admitted || !answers(step, answer, at) || !settle(next, step.counter)) return;
  states.push_back(next);
  if (!step.pending || !is_log(step.counter)) return;

  // A log is charged stamp by stamp. Whoever is killed on the way leaves some of them, and before
  // he has told the entry how long they count it may be given away, and they are forgotten.
  for (std::uint64_t part = cost; part > 0; --part) {
    window = before;
    window.exact.take(at / kTicksPerMicro, part);
    if (part != cost) states.push_back(next);
    if (horizons_[of_rings].size() == 1) continue;  // nothing was ever evicted
    next.held.push_back({kNobody, step.counter, at / kTicksPerMicro, before});
    states.push_back(next);
    next.held.pop_back();
  }
}

inline void ClientModel::after(const ClientState& state, const Step& step, std::size_t worker,
                               std::vector<ClientState>& states) const {
  if (holds(state, worker)) return;
  const WindowState& window = state.windows[step.counter];
  for (const Option& option : options(window, step)) {
    if (step.does == Does::take) {
      take(state, step, option, states);
      continue;
    }
    const Micros at_us = option.at / kTicksPerMicro;
    WindowState seen = window;
    if (option.absent) seen = {Exact(counters_[step.counter].window), false};
    Exact asked = seen.exact;
    bool right = false;
    switch (step.does) {
      case Does::refuse: {
        const reference::Answer answer = asked.decide(at_us, step.record->cost);
        right = step.loose || (!answer.admitted && answers(step, answer, option.at));
        break;
      }
      case Does::fit:
        right = asked.fits(at_us, step.record->cost) &&
                answers(step, asked.decide(at_us, 0), option.at);
        break;
      case Does::look:
        right = answers(step, asked.decide(at_us, 0), option.at);
        break;
      case Does::forget:
        right = !option.absent && asked.decide(at_us, 0).reset_us != 0;
        seen.exact = Exact(counters_[step.counter].window);
        break;
      case Does::miss:
        right = option.absent || asked.decide(at_us, 0).reset_us == 0;
        break;
      case Does::take:
        break;
    }
    if (!right) continue;
    ClientState next = state;
    next.windows[step.counter] = seen;
    states.push_back(std::move(next));
  }
}

inline void ClientModel::meanwhile(const ClientState& state, const Step& step, std::size_t worker,
                                   std::vector<ClientState>& states) const {
  // What is held goes again, the latest on a window first.
  for (std::size_t i = 0; i < state.held.size(); ++i) {
    const Held& held = state.held[i];
    const bool mine = held.worker == worker || held.worker == kNobody;
    const bool covered =
        std::any_of(state.held.begin() + static_cast<std::ptrdiff_t>(i) + 1, state.held.end(),
                    [&](const Held& other) { return other.counter == held.counter; });
    if (!mine) continue;
    ClientState next = state;
    next.held.erase(next.held.begin() + static_cast<std::ptrdiff_t>(i));
    if (covered) {
      // Not as it was written any more: it stays.
      if (++next.conflicts <= conflicts_) states.push_back(std::move(next));
      continue;
    }
    next.windows[held.counter] = held.before;
    states.push_back(next);
    if (!is_log(held.counter) || held.worker == kNobody) continue;
    // Its time may not go back.
    if (next.windows[held.counter].exact.come_to(held.now_us)) states.push_back(std::move(next));
  }
  if (!provides(step) || step.number != 0) return;

  const Record& record = *step.record;
  for (std::uint8_t counter = record.first; counter < record.first + record.charges; ++counter) {
    Step there = step;
    there.counter = counter;
    for (const Option& option : options(state.windows[counter], there)) {
      if (!option.absent) continue;
      ClientState next = state;
      next.windows[counter] = newcomer(there, option.at);
      states.push_back(std::move(next));
    }
  }

  // Written in the order of the counters, whose windows grow.
  const auto held =
      static_cast<std::uint8_t>(std::ranges::count(state.held, worker, &Held::worker));
  const auto counter = static_cast<std::uint8_t>(record.first + held);
  if (held >= record.charges || (held + 1 == record.charges && !is_log(counter))) return;
  const Micros now_us = record.now / kTicksPerMicro;
  for (std::uint64_t part = record.cost; part > 0; --part) {
    ClientState next = state;
    WindowState& window = next.windows[counter];
    if (!window.present || !window.exact.fits(now_us, record.cost)) break;
    next.held.push_back({worker, counter, now_us, window});
    window.exact.take(now_us, part);
    states.push_back(std::move(next));
    if (!is_log(counter)) break;
  }
}

}  // namespace tidegate::torture
