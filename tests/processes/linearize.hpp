// Looks for an order of all steps of one client in which each answers what the model says, and in
// which none comes before one that had ended when it began. The search of Wing and Gong ("Testing
// and verifying concurrent objects", 1993), which does not try again from where it has been (Lowe,
// "Testing for linearizability", 2017).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/processes/client_model.hpp"

namespace tidegate::torture {

/// The steps of one client: a row for each worker.
using Steps = std::array<std::vector<Step>, kWorkers>;
/// How far each row is done.
using Reached = std::array<std::uint32_t, kWorkers>;

struct Search {
  enum class Result : std::uint8_t { found, none, gave_up };

  Result result = Result::none;
  Reached furthest{};      ///< where the order that came furthest ends
  std::uint64_t took = 0;  ///< pending records that happened, in the order that was found
  std::uint64_t visited = 0;
};

class Linearizer {
 public:
  Linearizer(const ClientModel& model, const Steps& steps) : model_(model), steps_(steps) {}

  /// First with such charges and entries in between only as somebody can be seen to have met; if
  /// that finds no order, with all that there may have been.
  Search run() {
    Search search = run(Meanwhile::if_seen);
    if (search.result != Search::Result::found) search = run(Meanwhile::all);
    return search;
  }

 private:
  /// So many places besides one for each step.
  static constexpr std::uint64_t kMostVisited = 300'000;

  static constexpr unsigned kMostAtOnce = 3;

  enum class Meanwhile : std::uint8_t { if_seen, all };

  struct Place {
    Reached reached{};
    ClientState state;
    std::uint64_t took = 0;
  };
  struct Branch {
    Place place;
    std::vector<Place> next;
    bool tried_all = false;
  };

  [[nodiscard]] const Step* head(const Reached& reached, std::size_t worker) const {
    const auto& row = steps_[worker];
    return reached[worker] < row.size() ? &row[reached[worker]] : nullptr;
  }
  /// Whether no other step has to come before the next one of `worker`.
  [[nodiscard]] bool may_be_next(const Reached& reached, std::size_t worker) const;
  void steps_from(const Place& place, std::vector<Place>& next) const;
  void skips_from(const Place& place, std::vector<Place>& next) const;
  void meanwhile_from(const Place& place, Meanwhile which, std::vector<Place>& next) const;
  /// Whether somebody's next step is possible in `then` and is not now.
  [[nodiscard]] bool is_seen(const Place& now, const ClientState& then) const;
  Search run(Meanwhile which);
  bool visit(const Place& place);

  const ClientModel& model_;
  const Steps& steps_;
  std::unordered_map<std::uint64_t, std::vector<Place>> visited_;
};

inline bool Linearizer::may_be_next(const Reached& reached, std::size_t worker) const {
  const Step* const step = head(reached, worker);
  if (step == nullptr) return false;
  for (std::size_t other = 0; other < kWorkers; ++other) {
    const Step* const before = head(reached, other);
    if (other != worker && before != nullptr && before->to < step->from) return false;
  }
  return true;
}

/// What is tried first comes last: looks as soon as they fit, for they stand in nobody's way, and
/// those that nothing else depends on without a second thought.
inline void Linearizer::steps_from(const Place& place, std::vector<Place>& next) const {
  std::vector<std::size_t> workers;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    if (may_be_next(place.reached, worker)) workers.push_back(worker);
  }
  std::ranges::sort(workers, std::ranges::greater(),
                    [&](std::size_t worker) { return head(place.reached, worker)->to; });
  std::vector<ClientState> states;
  std::vector<Place> looks_here;
  for (const std::size_t worker : workers) {
    const Step& step = *head(place.reached, worker);
    states.clear();
    model_.after(place.state, step, worker, states);
    Place there{place.reached, {}, place.took + (step.pending && step.number == 0 ? 1 : 0)};
    ++there.reached[worker];
    if (model_.is_plain_look(step) && std::ranges::find(states, place.state) != states.end()) {
      there.state = place.state;
      next.clear();
      next.push_back(std::move(there));
      return;
    }
    for (ClientState& state : std::views::reverse(states)) {
      const bool looks = state == place.state;
      there.state = std::move(state);
      (looks ? looks_here : next).push_back(there);
    }
  }
  skips_from(place, next);
  std::ranges::move(looks_here, std::back_inserter(next));
}

inline void Linearizer::skips_from(const Place& place, std::vector<Place>& next) const {
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    const Step* step = head(place.reached, worker);
    if (step == nullptr || !ClientModel::may_be_skipped(place.state, *step, worker)) continue;
    Place there = place;
    const Record* const record = step->record;
    for (; step != nullptr && step->record == record; step = head(there.reached, worker)) {
      ++there.reached[worker];
    }
    next.push_back(std::move(there));
  }
}

inline bool Linearizer::is_seen(const Place& now, const ClientState& then) const {
  std::vector<ClientState> states;
  // Whoever holds a charge may be covered by another before his own next step.
  ClientState left = then;
  left.held.clear();
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    if (!may_be_next(now.reached, worker)) continue;
    const Step& step = *head(now.reached, worker);
    states.clear();
    model_.after(left, step, worker, states);
    if (states.empty()) continue;
    states.clear();
    model_.after(now.state, step, worker, states);
    if (states.empty()) return true;
  }
  return false;
}

inline void Linearizer::meanwhile_from(const Place& place, Meanwhile which,
                                       std::vector<Place>& next) const {
  const auto add = [&](ClientState state) {
    next.push_back({place.reached, std::move(state), place.took});
  };
  std::vector<ClientState> states;
  // One after another, or several at once of which only all together are seen.
  const auto from = [&](const auto& self, const ClientState& state, unsigned at_once) -> void {
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      if (!may_be_next(place.reached, worker)) continue;
      states.clear();
      model_.meanwhile(state, *head(place.reached, worker), worker, states);
      for (ClientState& then : std::exchange(states, {})) {
        const bool holds_more = then.held.size() > state.held.size();
        const bool puts_back = then.held.size() < state.held.size();
        if (which == Meanwhile::all || is_seen(place, then) || (puts_back && at_once == 1)) {
          add(std::move(then));
        } else if (holds_more && at_once < kMostAtOnce) {
          self(self, then, at_once + 1);
        }
      }
    }
  };
  from(from, place.state, 1);
}

/// False if the search has been there.
inline bool Linearizer::visit(const Place& place) {
  std::uint64_t hash = 0;
  const auto mix = [&hash](std::uint64_t value) { hash = hash * 0x9e37'79b9'7f4a'7c15 + value; };
  for (const std::uint32_t reached : place.reached) mix(reached);
  for (const Held& held : place.state.held) mix(held.worker);
  mix(place.state.held.size());
  std::vector<Place>& there = visited_[hash];
  for (const Place& been : there) {
    if (been.reached == place.reached && been.state == place.state) return false;
  }
  there.push_back(place);
  return true;
}

inline Search Linearizer::run(Meanwhile which) {
  visited_.clear();
  Search search;
  const auto total = [](const Reached& reached) {
    std::uint64_t sum = 0;
    for (const std::uint32_t each : reached) sum += each;
    return sum;
  };
  std::uint64_t all = 0;
  for (const auto& row : steps_) all += row.size();

  std::vector<Branch> path;
  path.push_back({{.state = model_.never_seen()}, {}});
  visit(path.back().place);
  steps_from(path.back().place, path.back().next);
  while (!path.empty()) {
    Branch& here = path.back();
    if (const std::uint64_t reached = total(here.place.reached);
        reached >= total(search.furthest)) {
      search.furthest = here.place.reached;
      if (reached == all) {
        search.result = Search::Result::found;
        search.took = here.place.took;
        return search;
      }
    }
    if (here.next.empty() && !here.tried_all) {
      here.tried_all = true;
      meanwhile_from(here.place, which, here.next);
    }
    if (here.next.empty()) {
      path.pop_back();
      continue;
    }
    Branch there{std::move(here.next.back()), {}};
    here.next.pop_back();
    if (!visit(there.place)) continue;
    if (++search.visited > 2 * all + kMostVisited) {
      search.result = Search::Result::gave_up;
      return search;
    }
    steps_from(there.place, there.next);
    path.push_back(std::move(there));
  }
  return search;
}

}  // namespace tidegate::torture
