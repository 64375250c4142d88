#include "policy/matcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/pattern.hpp"

namespace tidegate {
namespace {

using Entry = EndpointMatcher::Entry;

#ifdef TIDEGATE_SANITIZED
constexpr int kRounds = 10'000;
#else
constexpr int kRounds = 100'000;
#endif

constexpr std::uint32_t kNoRule = EndpointMatcher::kNoRule;

/// The pattern that wins, or "none".
std::string winner(const std::vector<std::string>& patterns, std::string_view path) {
  std::vector<Entry> entries;
  for (const std::string& pattern : patterns) {
    entries.push_back({pattern, {}, 0, static_cast<std::uint32_t>(entries.size())});
  }
  const std::uint32_t rule = EndpointMatcher(entries).match(path, "GET");
  return rule == kNoRule ? "none" : patterns[rule];
}

bool matches(const std::string& pattern, std::string_view path) {
  return winner({pattern}, path) == pattern;
}

TEST(EndpointMatcher, MatchesPatterns) {
  EXPECT_TRUE(matches("/", "/"));
  EXPECT_FALSE(matches("/", "/a"));
  EXPECT_TRUE(matches("/a", "/a"));
  EXPECT_TRUE(matches("/a/", "/a"));
  EXPECT_FALSE(matches("/a", "/A"));
  EXPECT_FALSE(matches("/a", "/a/b"));
  EXPECT_FALSE(matches("/a", "/ab"));
  EXPECT_FALSE(matches("/a/b", "/a"));

  EXPECT_TRUE(matches("/*/b", "/a/b"));
  EXPECT_FALSE(matches("/*/b", "/a/a/b"));
  EXPECT_FALSE(matches("/*/b", "/b"));

  // A star at the end: one segment or more.
  EXPECT_FALSE(matches("/a/*", "/a"));
  EXPECT_TRUE(matches("/a/*", "/a/b"));
  EXPECT_TRUE(matches("/a/*", "/a/b/c/d"));
  EXPECT_FALSE(matches("/*", "/"));
  EXPECT_TRUE(matches("/*", "/a"));
  EXPECT_TRUE(matches("/*/", "/a/b"));

  EXPECT_TRUE(matches("/a/**", "/a"));
  EXPECT_TRUE(matches("/a/**", "/a/b/c/d"));
  EXPECT_FALSE(matches("/a/**", "/ab"));
  EXPECT_TRUE(matches("/**", "/"));
  EXPECT_FALSE(matches("/a/*/**", "/a"));
  EXPECT_TRUE(matches("/a/*/**", "/a/b"));

  EXPECT_TRUE(matches("/a b/c%", "/a b/c%"));
  EXPECT_TRUE(matches("/a/*/c", "/a/b%2Fb/c"));
}

TEST(EndpointMatcher, MatchesNothingWithoutAPath) {
  EXPECT_EQ(winner({"/**", "/"}, ""), "none");
  EXPECT_EQ(EndpointMatcher().match("/", "GET"), kNoRule);
}

TEST(EndpointMatcher, PrefersTheMoreSpecific) {
  EXPECT_EQ(winner({"/a/*", "/a/b"}, "/a/b"), "/a/b");
  EXPECT_EQ(winner({"/**", "/*", "/a"}, "/a"), "/a");
  EXPECT_EQ(winner({"/**", "/*"}, "/a"), "/*");
  EXPECT_EQ(winner({"/*/b", "/a/*"}, "/a/b"), "/a/*");  // the left decides
  EXPECT_EQ(winner({"/a/**", "/*/b/c"}, "/a/b/c"), "/a/**");
  EXPECT_EQ(winner({"/a/*", "/a/*/c"}, "/a/b/c"), "/a/*/c");
  EXPECT_EQ(winner({"/a/*", "/a/*/*"}, "/a/b/c"), "/a/*/*");
  EXPECT_EQ(winner({"/a/**", "/a"}, "/a"), "/a");
  EXPECT_EQ(winner({"/a", "/a/"}, "/a"), "/a");  // equal: the first in the file
  EXPECT_EQ(winner({"/a/", "/a"}, "/a"), "/a/");
  // The literal branch leads nowhere: the other one is still found.
  EXPECT_EQ(winner({"/a/b/x", "/*/b/c", "/**"}, "/a/b/c"), "/*/b/c");
}

TEST(EndpointMatcher, PutsPriorityFirst) {
  const EndpointMatcher matcher({{"/a/b", {}, 0, 0}, {"/a/*", {}, 1, 1}, {"/**", {}, -1, 2}});
  EXPECT_EQ(matcher.match("/a/b", "GET"), 1U);
  EXPECT_EQ(matcher.match("/b", "GET"), 2U);
  const EndpointMatcher everything_first({{"/a/b", {}, 5, 0}, {"/**", {}, 6, 1}});
  EXPECT_EQ(everything_first.match("/a/b", "GET"), 1U);
}

TEST(EndpointMatcher, FallsThroughWhereAMethodIsNotListed) {
  const EndpointMatcher matcher({{"/a", {"GET"}, 0, 0},
                                 {"/a", {"POST", "PUT"}, 0, 1},
                                 {"/*", {"DELETE"}, 0, 2},
                                 {"/a/**", {"PATCH"}, 0, 3}});
  EXPECT_EQ(matcher.match("/a", "GET"), 0U);
  EXPECT_EQ(matcher.match("/a", "HEAD"), 0U);
  EXPECT_EQ(matcher.match("/a", "PUT"), 1U);
  EXPECT_EQ(matcher.match("/a", "DELETE"), 2U);
  EXPECT_EQ(matcher.match("/a", "PATCH"), 3U);
  EXPECT_EQ(matcher.match("/a", "OPTIONS"), kNoRule);
  EXPECT_EQ(matcher.match("/a", ""), kNoRule);
}

TEST(EndpointMatcher, LetsNoSpellingOfAMethodDodgeItsRule) {
  const EndpointMatcher matcher({{"/a", {"GET"}, 0, 0}, {"/b", {"head"}, 0, 1}});
  EXPECT_EQ(matcher.match("/a", "get"), 0U);
  EXPECT_EQ(matcher.match("/a", "Head"), 0U);
  EXPECT_EQ(matcher.match("/b", "HEAD"), 1U);
  EXPECT_EQ(matcher.match("/b", "GET"), kNoRule);
}

TEST(EndpointMatcher, FindsOneOfManyRules) {
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    entries.push_back({"/api/v1/resource" + std::to_string(i) + "/*", {}, 0, i});
  }
  const EndpointMatcher matcher(entries);
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    EXPECT_EQ(matcher.match("/api/v1/resource" + std::to_string(i) + "/x", "GET"), i);
  }
  EXPECT_EQ(matcher.match("/api/v1/resource1000/x", "GET"), kNoRule);
}

TEST(EndpointMatcher, SurvivesHostilePathsAndPatterns) {
  // Every way of writing ten segments with "a" or "*": a path of "a" goes all of them.
  std::vector<Entry> entries;
  for (std::uint32_t ways = 0; ways < 1'024; ++ways) {
    Entry entry{.pattern = "", .methods = {}, .priority = 0, .rule = ways};
    for (int i = 9; i >= 0; --i) entry.pattern += (ways >> i & 1) != 0 ? "/*" : "/a";
    entry.pattern += "/b";
    entries.push_back(entry);
  }
  const EndpointMatcher matcher(entries);
  EXPECT_EQ(matcher.match("/a/a/a/a/a/a/a/a/a/a/b", "GET"), 0U);
  EXPECT_EQ(matcher.match("/a/x/a/a/a/a/a/a/a/a/b", "GET"), 256U);
  EXPECT_EQ(matcher.match("/a/a/a/a/a/a/a/a/a/a/c", "GET"), kNoRule);

  std::string endless;
  for (int i = 0; i < 1'000'000; ++i) endless += "/a";
  EXPECT_EQ(matcher.match(endless, "GET"), kNoRule);
}

// The same by the words alone: order all entries, take the first that matches.

using Segments = std::vector<std::string>;

Segments segments_of(std::string_view text) {
  Segments segments;
  for (std::size_t at = 1; at < text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    segments.emplace_back(text.substr(at, slash - at));
    at = slash + 1;
  }
  return segments;
}

bool more_specific(const Segments& ours, const Segments& theirs) {
  const auto class_of = [](const std::string& s) { return s == "**" ? 2 : s == "*" ? 1 : 0; };
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (class_of(ours[i]) != class_of(theirs[i])) return class_of(ours[i]) < class_of(theirs[i]);
  }
  if (ours.size() == theirs.size()) return false;
  // The longer one, unless it goes on with `**`, which also stands for nothing.
  const bool longer = ours.size() > theirs.size();
  const std::string& next = longer ? ours[theirs.size()] : theirs[ours.size()];
  return longer == (next != "**");
}

bool naive_match(const Segments& pattern, const Segments& path) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "**") return true;
    if (i >= path.size()) return false;
    if (pattern[i] == "*" && i + 1 == pattern.size()) return true;
    if (pattern[i] != "*" && pattern[i] != path[i]) return false;
  }
  return pattern.size() == path.size();
}

class NaiveMatcher {
 public:
  explicit NaiveMatcher(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) entries_.emplace_back(entry, segments_of(entry.pattern));
    std::ranges::sort(entries_, [](const auto& a, const auto& b) {
      if (a.first.priority != b.first.priority) return a.first.priority > b.first.priority;
      if (more_specific(a.second, b.second)) return true;
      if (more_specific(b.second, a.second)) return false;
      return a.first.rule < b.first.rule;  // the order of the file
    });
  }

  std::uint32_t match(std::string_view path, const std::string& method) const {
    const Segments segments = segments_of(path);
    for (const auto& [entry, pattern] : entries_) {
      if (takes(entry, method) && naive_match(pattern, segments)) return entry.rule;
    }
    return kNoRule;
  }

 private:
  static bool takes(const Entry& entry, const std::string& method) {
    const auto lists = [&](const std::string& m) {
      return std::ranges::find(entry.methods, m) != entry.methods.end();
    };
    return entry.methods.empty() || lists(method) || (method == "HEAD" && lists("GET"));
  }

  std::vector<std::pair<Entry, Segments>> entries_;
};

TEST(EndpointMatcher, AgreesWithTryingEveryPattern) {
  std::mt19937 random(1);
  const auto one_of = [&](const std::vector<std::string>& of) { return of[random() % of.size()]; };
  const std::vector<std::string> methods{"GET", "HEAD", "POST"};
  constexpr int kPathsPerSet = 10;
  int found = 0;
  for (int round = 0; round < kRounds / kPathsPerSet; ++round) {
    std::vector<Entry> entries;
    for (auto count = random() % 12; count != 0; --count) {
      Entry entry{.pattern = "",
                  .methods = {},
                  .priority = 0,
                  .rule = static_cast<std::uint32_t>(entries.size())};
      for (auto depth = random() % 5; depth != 0; --depth)
        entry.pattern += '/' + one_of({"a", "b", "*", "*"});
      if (random() % 4 == 0) entry.pattern += "/**";
      if (entry.pattern.empty() || random() % 8 == 0) entry.pattern += '/';
      if (random() % 3 == 0) entry.methods.push_back(one_of(methods));
      if (random() % 6 == 0) entry.priority = static_cast<int>(random() % 3) - 1;
      ASSERT_EQ(validate_pattern(entry.pattern), "") << entry.pattern;
      entries.push_back(std::move(entry));
    }
    const EndpointMatcher matcher(entries);
    const NaiveMatcher naive(entries);
    for (int i = 0; i < kPathsPerSet; ++i) {
      std::string path;
      for (auto depth = random() % 6; depth != 0; --depth) path += '/' + one_of({"a", "b", "c"});
      if (path.empty()) path = "/";
      const std::string method = one_of(methods);
      const std::uint32_t rule = matcher.match(path, method);
      ASSERT_EQ(rule, naive.match(path, method)) << method << ' ' << path;
      if (rule != kNoRule) ++found;
    }
  }
  EXPECT_GT(found, kRounds / 4);
  EXPECT_LT(found, kRounds);
}

}  // namespace
}  // namespace tidegate
