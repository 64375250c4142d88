// Whether grants kept to what their window admits, in every interval. Written from what the
// algorithms promise (docs/algorithms.md), without a look at how the store counts.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "algo/window.hpp"

namespace tidegate::torture {

/// `cost` units, given at a time that is not before `from` and not after `to`. An interval counts
/// the grants that lie in it whole: that may hide a grant, and never invents one.
struct Grant {
  Ticks from = 0;
  Ticks to = 0;
  std::uint64_t cost = 1;
};

/// The largest of a row of numbers, all 0 at first, to stretches of which something is added again
/// and again.
class Heights {
 public:
  explicit Heights(std::size_t count) : leaves_(std::bit_ceil(std::max<std::size_t>(count, 1))) {
    largest_.assign(2 * leaves_, 0);
    added_.assign(2 * leaves_, 0);
  }
  void add(std::size_t first, std::size_t last, Ticks value) {
    add(1, 0, leaves_, first, last, value);
  }
  [[nodiscard]] Ticks largest() const { return largest_[1]; }

 private:
  void add(std::size_t node, std::size_t begin, std::size_t end, std::size_t first,
           std::size_t last, Ticks value) {
    if (last <= begin || end <= first) return;
    if (first <= begin && end <= last) {
      added_[node] += value;
      largest_[node] += value;
      return;
    }
    const std::size_t middle = (begin + end) / 2;
    add(2 * node, begin, middle, first, last, value);
    add(2 * node + 1, middle, end, first, last, value);
    largest_[node] = added_[node] + std::max(largest_[2 * node], largest_[2 * node + 1]);
  }

  std::size_t leaves_;
  std::vector<Ticks> largest_;
  std::vector<Ticks> added_;
};

/// token_bucket: in every interval [a, b] the units weigh at most C + (b - a). Returns how often an
/// interval that ends with a grant had more.
inline std::uint64_t above_bucket(const Window& window, std::vector<Grant> grants) {
  std::ranges::sort(grants, {}, &Grant::to);
  std::vector<Ticks> starts;
  for (const Grant& grant : grants) starts.push_back(grant.from);
  std::ranges::sort(starts);
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  // For each a that was met: a + what was given since, which must not pass C + b.
  Heights heights(starts.size());
  std::vector<bool> met(starts.size());
  std::uint64_t above = 0;
  for (const Grant& grant : grants) {
    const auto at =
        static_cast<std::size_t>(std::ranges::lower_bound(starts, grant.from) - starts.begin());
    if (!met[at]) heights.add(at, at + 1, grant.from);
    met[at] = true;
    heights.add(0, at + 1, grant.cost * window.period);
    if (heights.largest() > window.burst + grant.to) ++above;
  }
  return above;
}

/// At most `bound` units in every interval of one window's length that begins with a grant.
inline std::uint64_t above_window(const Window& window, std::vector<Grant> grants,
                                  std::uint64_t bound) {
  std::ranges::sort(grants, {}, &Grant::from);
  std::uint64_t above = 0;
  for (auto first = grants.begin(); first != grants.end(); ++first) {
    const Ticks end = first->from + window.window;
    std::uint64_t units = 0;
    for (auto next = first; next != grants.end() && next->from < end; ++next) {
      if (next->to < end) units += next->cost;
    }
    if (units > bound) ++above;
  }
  return above;
}

/// At most `limit` units in every window [kW, (k+1)W).
inline std::uint64_t above_fixed(const Window& window, const std::vector<Grant>& grants) {
  std::map<Ticks, std::uint64_t> units;
  for (const Grant& grant : grants) {
    const Ticks number = grant.from / window.window;
    if (grant.to / window.window == number) units[number] += grant.cost;
  }
  return static_cast<std::uint64_t>(std::ranges::count_if(
      units, [&](const auto& counted) { return counted.second > window.limit; }));
}

/// How many times the grants of one client were above what `window` admits.
inline std::uint64_t above_bound(const Window& window, const std::vector<Grant>& grants) {
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return above_bucket(window, grants);
    case Algorithm::fixed_window:
      return above_fixed(window, grants);
    case Algorithm::sliding_window:
      return above_window(window, grants, window.limit);
    case Algorithm::sliding_window_counter:
      return above_fixed(window, grants) + above_window(window, grants, 2 * window.limit);
  }
  return 0;
}

}  // namespace tidegate::torture
