#include "policy/counters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace tidegate {
namespace {

/// Joined by NUL, which no name contains, so that no two lists of names are one text.
void append_part(std::string& text, std::string_view part) {
  text += part;
  text += '\0';
}

std::vector<Limit*> limits_of(Rule& rule) {
  std::vector<Limit*> limits{&rule.limit};
  for (auto& [tier, limit] : rule.tiers) limits.push_back(&limit);
  return limits;
}

/// Numbers the rule, and its windows, those of all its tiers together, the shortest first. With
/// more windows than there are places, some share one: a place is a hint where to look, not a name.
void set_places(Rule& rule, std::uint32_t number) {
  const auto order_of = [](const Counter& counter) {
    return std::pair(counter.window.window_us, counter.window.algorithm);
  };
  std::set<std::pair<Micros, Algorithm>> windows;
  for (const Limit* limit : limits_of(rule)) {
    for (const Counter& counter : *limit) windows.insert(order_of(counter));
  }
  for (Limit* limit : limits_of(rule)) {
    for (Counter& counter : *limit) {
      counter.rule_name = rule.name;
      counter.rule = number;
      const auto place = std::distance(windows.begin(), windows.find(order_of(counter)));
      counter.place =
          static_cast<std::uint8_t>(static_cast<std::size_t>(place) % kMaxWindowsPerRule);
    }
  }
}

using Key = std::pair<std::uint64_t, std::uint64_t>;

std::map<Key, std::vector<Counter*>> group_by_key(std::vector<Rule>& rules) {
  std::map<Key, std::vector<Counter*>> groups;
  for (Counter* counter : all_counters(rules)) {
    groups[{counter->key.high, counter->key.low}].push_back(counter);
  }
  return groups;
}

}  // namespace

Limit make_limit(std::string_view name_space, std::string_view rule, const LimitConfig& config,
                 const HashKey& hash_key) {
  std::string rule_name;
  append_part(rule_name, name_space);
  append_part(rule_name, rule);
  const std::uint64_t high = siphash128(hash_key, rule_name).high;

  Limit limit;
  for (const WindowConfig& window : config.windows) {
    Counter& counter = limit.emplace_back();
    counter.window = make_window(config.algorithm, window);
    std::string window_name = rule_name;
    append_part(window_name, to_string(config.algorithm));
    append_part(window_name, std::to_string(counter.window.window_us));
    counter.key = {siphash128(hash_key, window_name).low, high};
  }
  return limit;
}

std::expected<std::vector<const Counter*>, Error> lay_out_counters(std::vector<Rule>& rules) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    set_places(rules[i], static_cast<std::uint32_t>(i));
  }

  const auto groups = group_by_key(rules);
  constexpr std::size_t kMostWindows = kOverflowEntries / kMinOverflowPerWindow;
  if (groups.size() > kMostWindows) {
    return std::unexpected(Error{fmt::format(
        "the configuration has {} windows over all rules and tiers; at most {} can be kept apart "
        "when the table is full: use fewer rules or fewer windows",
        groups.size(), kMostWindows)});
  }
  const auto share = static_cast<std::uint32_t>(std::min<std::size_t>(
      kMaxOverflowPerWindow, kOverflowEntries / std::max<std::size_t>(groups.size(), 1)));

  std::vector<const Counter*> each_once;
  for (const auto& [key, counters] : groups) {
    const Counter* largest = *std::ranges::max_element(
        counters, {}, [](const Counter* counter) { return counter->window.limit; });
    for (Counter* counter : counters) {
      counter->overflow_count = share;
      if (largest->window.algorithm == Algorithm::sliding_window) {
        counter->ring_slots =
            static_cast<std::uint32_t>(std::max<std::uint64_t>(largest->window.limit, 1));
      }
    }
    each_once.push_back(largest);
  }
  return each_once;
}

std::vector<Counter*> all_counters(std::vector<Rule>& rules) {
  std::vector<Counter*> all;
  for (Rule& rule : rules) {
    for (Limit* limit : limits_of(rule)) {
      for (Counter& counter : *limit) all.push_back(&counter);
    }
  }
  return all;
}

}  // namespace tidegate
