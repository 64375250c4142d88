#include "policy/matcher.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "core/ascii.hpp"
#include "core/text_hash.hpp"
#include "policy/pattern.hpp"

namespace tidegate {
namespace {

/// Position in the order of preference: the lower, the better.
using Rank = std::uint32_t;
constexpr Rank kWorst = ~Rank{0};

/// A pattern's segments by kind, in the order of preference. `end` closes every pattern.
enum class Kind : std::uint8_t { literal, star, end, double_star };

std::vector<Kind> kinds_of(std::string_view pattern) {
  std::vector<Kind> kinds;
  for (std::string_view rest = pattern.substr(1); !rest.empty();) {
    const std::string_view segment = take_segment(rest);
    kinds.push_back(segment == "*"    ? Kind::star
                    : segment == "**" ? Kind::double_star
                                      : Kind::literal);
  }
  kinds.push_back(Kind::end);
  return kinds;
}

/// The entries' indices, best first.
std::vector<std::size_t> order_of(const std::vector<EndpointMatcher::Entry>& entries) {
  std::vector<std::vector<Kind>> kinds;
  for (const auto& entry : entries) kinds.push_back(kinds_of(entry.pattern));
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    if (entries[a].priority != entries[b].priority) {
      return entries[a].priority > entries[b].priority;
    }
    return std::tie(kinds[a], a) < std::tie(kinds[b], b);
  });
  return order;
}

/// An entry where its pattern ends.
struct Target {
  Rank rank = kWorst;
  std::uint32_t rule = 0;
  std::vector<std::string> methods;  // empty: all

  [[nodiscard]] bool takes(std::string_view method) const {
    return methods.empty() || std::ranges::any_of(methods, [&](const std::string& listed) {
             return equal_ignoring_case(listed, method) ||
                    (equal_ignoring_case(listed, "GET") && equal_ignoring_case(method, "HEAD"));
           });
  }
};

/// What has been found so far.
struct Best {
  Rank rank = kWorst;
  std::uint32_t rule = EndpointMatcher::kNoRule;

  /// `targets` are in the order of rank.
  void take(const std::vector<Target>& targets, std::string_view method) {
    for (const Target& target : targets) {
      if (target.rank >= rank) return;
      if (target.takes(method)) {
        rank = target.rank;
        rule = target.rule;
        return;
      }
    }
  }
};

}  // namespace

/// A prefix of patterns.
struct EndpointMatcher::Node {
  Rank best = kWorst;  // of all entries at and below this node
  std::unordered_map<std::string, std::unique_ptr<Node>, TextHash, std::equal_to<>> literals;
  std::unique_ptr<Node> star;
  std::vector<Target> ends;   // patterns that end here
  std::vector<Target> some;   // patterns with a trailing `*` from here on: one or more segments
  std::vector<Target> every;  // patterns with `**` from here on

  void add(std::string_view pattern_rest, const Target& target);
  void match(std::string_view path_rest, std::string_view method, Best& found) const;
};

void EndpointMatcher::Node::add(std::string_view pattern_rest, const Target& target) {
  best = std::min(best, target.rank);
  if (pattern_rest.empty()) {
    ends.push_back(target);
    return;
  }
  const std::string_view segment = take_segment(pattern_rest);
  if (segment == "**") {
    every.push_back(target);
  } else if (segment == "*" && pattern_rest.empty()) {
    some.push_back(target);
  } else {
    std::unique_ptr<Node>& next = segment == "*" ? star : literals[std::string(segment)];
    if (!next) next = std::make_unique<Node>();
    next->add(pattern_rest, target);
  }
}

// Recursion is bounded by the depth of the tree, so by kMaxPatternSegments.
void EndpointMatcher::Node::match(std::string_view path_rest, std::string_view method,
                                  Best& found) const {
  if (best >= found.rank) return;
  if (path_rest.empty()) {
    found.take(ends, method);
  } else {
    std::string_view rest = path_rest;
    const std::string_view segment = take_segment(rest);
    // Literals first: what is found early spares the looks at what is worse.
    if (const auto next = literals.find(segment); next != literals.end()) {
      next->second->match(rest, method, found);
    }
    if (star) star->match(rest, method, found);
    found.take(some, method);
  }
  found.take(every, method);
}

EndpointMatcher::EndpointMatcher() : root_(std::make_unique<Node>()) {}

EndpointMatcher::EndpointMatcher(const std::vector<Entry>& entries) : EndpointMatcher() {
  Rank rank = 0;
  for (const std::size_t index : order_of(entries)) {
    const Entry& entry = entries[index];
    root_->add(std::string_view(entry.pattern).substr(1), {rank++, entry.rule, entry.methods});
  }
}

EndpointMatcher::~EndpointMatcher() = default;
EndpointMatcher::EndpointMatcher(EndpointMatcher&&) noexcept = default;
EndpointMatcher& EndpointMatcher::operator=(EndpointMatcher&&) noexcept = default;

EndpointMatcher::Preference EndpointMatcher::why_before(const Entry& better, const Entry& worse) {
  using enum Preference::Reason;
  if (better.priority != worse.priority) return {.reason = priority};
  const std::vector<Kind> kinds = kinds_of(better.pattern);
  const std::vector<Kind> others = kinds_of(worse.pattern);
  const auto differ = std::ranges::mismatch(kinds, others).in1;
  if (differ == kinds.end()) return {.reason = earlier};
  return {.reason = specific, .segment = static_cast<std::size_t>(differ - kinds.begin()) + 1};
}

std::uint32_t EndpointMatcher::match(std::string_view path, std::string_view method) const {
  Best found;
  if (path.starts_with('/')) root_->match(path.substr(1), method, found);
  return found.rule;
}

}  // namespace tidegate
