// Looks for an order of all steps of one client in which each answers what the model says, and in
// which none comes before one that had ended when it began. The search of Wing and Gong ("Testing
// and verifying concurrent objects", 1993), which does not try again from where it has been (Lowe,
// "Testing for linearizability", 2017).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
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

  Search run();

 private:
  static constexpr std::uint64_t kMostVisited = 2'000'000;

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
  void meanwhile_from(const Place& place, std::vector<Place>& next) const;
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

/// What is tried first comes last. A look that fits and changes nothing is taken at once: it stands
/// in nobody's way.
inline void Linearizer::steps_from(const Place& place, std::vector<Place>& next) const {
  std::vector<std::size_t> workers;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    if (may_be_next(place.reached, worker)) workers.push_back(worker);
  }
  std::ranges::sort(workers, std::ranges::greater(),
                    [&](std::size_t worker) { return head(place.reached, worker)->to; });
  std::vector<ClientState> states;
  for (const std::size_t worker : workers) {
    const Step& step = *head(place.reached, worker);
    states.clear();
    model_.after(place.state, step, worker, states);
    Place there{place.reached, {}, place.took + (step.pending && step.number == 0 ? 1 : 0)};
    ++there.reached[worker];
    if (!step.pending && std::ranges::find(states, place.state) != states.end()) {
      there.state = place.state;
      next.assign(1, std::move(there));
      return;
    }
    for (auto state = states.rbegin(); state != states.rend(); ++state) {
      there.state = std::move(*state);
      next.push_back(there);
    }
  }
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

inline void Linearizer::meanwhile_from(const Place& place, std::vector<Place>& next) const {
  std::vector<ClientState> states;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    if (!may_be_next(place.reached, worker)) continue;
    model_.meanwhile(place.state, *head(place.reached, worker), worker, states);
  }
  for (ClientState& state : states) next.push_back({place.reached, std::move(state), place.took});
}

/// False if the search has been there.
inline bool Linearizer::visit(const Place& place) {
  std::uint64_t hash = 0;
  for (const std::uint32_t reached : place.reached) hash = hash * 0x9e37'79b9'7f4a'7c15 + reached;
  std::vector<Place>& there = visited_[hash];
  for (const Place& been : there) {
    if (been.reached == place.reached && been.state == place.state) return false;
  }
  there.push_back(place);
  return true;
}

inline Search Linearizer::run() {
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
  skips_from(path.back().place, path.back().next);
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
      meanwhile_from(here.place, here.next);
    }
    if (here.next.empty()) {
      path.pop_back();
      continue;
    }
    Branch there{std::move(here.next.back()), {}};
    here.next.pop_back();
    if (!visit(there.place)) continue;
    if (++search.visited > kMostVisited) {
      search.result = Search::Result::gave_up;
      return search;
    }
    steps_from(there.place, there.next);
    if (there.next.size() != 1 || there.next.front().state != there.place.state) {
      skips_from(there.place, there.next);
    }
    path.push_back(std::move(there));
  }
  return search;
}

}  // namespace tidegate::torture
