#include "config/limit.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "core/time.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {
namespace {

using namespace std::chrono_literals;

TEST(MaxCounterLimit, IsTheLargestDigitToTheBaseOfTheIntegerRoot) {
  EXPECT_EQ(max_counter_limit(1s), 70'991u);
  EXPECT_EQ(max_counter_limit(60s), 549'908u);
  for (const std::chrono::microseconds window :
       {std::chrono::microseconds(1ms), std::chrono::microseconds(12'345'678),
        std::chrono::microseconds(1h), std::chrono::microseconds(kMaxWindow_us)}) {
    const std::uint64_t root = max_counter_limit(window) + 1;
    const std::uint64_t bound = static_cast<std::uint64_t>(window.count()) * 5040;
    EXPECT_LE(root * root, bound);
    EXPECT_GT((root + 1) * (root + 1), bound);
  }
}

/// The faults of a default rule, one a line.
std::string faults_of(const std::string& keys) {
  const auto loaded = parse_config("[rate_limiting]\n" + keys, "f", {});
  std::string out;
  if (!loaded) {
    for (const Fault& fault : loaded.error()) out += to_string(fault) + "\n";
  }
  return out;
}

TEST(Limit, TakesEachBoundAndNothingBeyond) {
  const auto rule = [](std::uint64_t limit, std::string_view window, std::string_view algorithm,
                       std::string_view more = "") {
    return fmt::format("default_limit = {}\ndefault_window = \"{}\"\nalgorithm = \"{}\"\n{}\n",
                       limit, window, algorithm, more);
  };
  struct Bound {
    std::uint64_t most;
    std::string window;
    std::string algorithm;
    std::string more;
  };
  for (const Bound& bound :
       {Bound{70'991, "1s", "sliding_window_counter", ""},
        Bound{549'908, "60s", "sliding_window_counter", ""},
        Bound{10'000, "1h", "sliding_window", ""}, Bound{1'000'000, "1s", "token_bucket", ""},
        Bound{1'000'000, "1s", "fixed_window", ""}, Bound{1'000, "1ms", "token_bucket", ""},
        Bound{1'000'000'000, "1h", "token_bucket", ""}}) {
    EXPECT_EQ(faults_of(rule(bound.most, bound.window, bound.algorithm)), "");
    EXPECT_NE(faults_of(rule(bound.most + 1, bound.window, bound.algorithm)), "")
        << bound.most << " " << bound.window << " " << bound.algorithm;
  }
  EXPECT_EQ(faults_of(rule(1, "1d", "token_bucket", "burst = 366")), "");
  EXPECT_NE(faults_of(rule(1, "1d", "token_bucket", "burst = 367")), "");
  EXPECT_EQ(faults_of(rule(1, "366d", "token_bucket")), "");
  EXPECT_NE(faults_of(rule(1, "367d", "token_bucket")), "");
  EXPECT_NE(faults_of(rule(1, "0ms", "token_bucket")), "");
  // 10^9 x 366 days does not fit into 64 bits of microseconds.
  EXPECT_NE(faults_of(rule(1, "366d", "token_bucket", "burst = 1000000000")), "");
  EXPECT_EQ(faults_of(rule(1'000'000'000, "366d", "token_bucket", "burst = 1000000000")), "");
}

TEST(Limit, NamesTokenBucketWhereTheCounterEnds) {
  const std::string faults = faults_of("default_limit = 70_993\ndefault_window = 1\n");
  EXPECT_NE(faults.find("f:2:17: rate_limiting.default_limit:"), std::string::npos) << faults;
  EXPECT_NE(faults.find("70991"), std::string::npos) << faults;
  EXPECT_NE(faults.find("token_bucket"), std::string::npos) << faults;
}

TEST(Limit, TakesEightWindowsInARule) {
  std::string windows;
  for (int i = 1; i <= 7; ++i) windows += fmt::format("{{ limit = 1, window = \"{}h\" }}, ", i);
  EXPECT_EQ(faults_of("windows = [" + windows + "]\n"), "");
  EXPECT_NE(faults_of("windows = [" + windows + "{ limit = 1, window = \"8h\" }]\n"), "");
}

RateLimitConfig parsed(const std::string& keys) {
  const auto loaded = parse_config("[rate_limiting]\n" + keys, "f", {});
  if (loaded) return loaded->config;
  for (const Fault& fault : loaded.error()) ADD_FAILURE() << to_string(fault);
  return {};
}

TEST(Limit, PutsTheMainWindowFirst) {
  const auto config = parsed(
      "windows = [ { limit = 1000, window = \"1h\" }, { limit = 9, window = 1, burst = 20 } ]\n"
      "default_limit = 7\nalgorithm = \"token_bucket\"\nburst = 8\n");
  const std::vector<WindowConfig> expected{{7, 60s, 8}, {1000, 1h, std::nullopt}, {9, 1s, 20}};
  EXPECT_EQ(config.default_limit.windows, expected);
}

TEST(Limit, UnlimitedTakesTheMainWindowAway) {
  EXPECT_TRUE(parsed("default_limit = \"unlimited\"\n").default_limit.windows.empty());
  const auto config =
      parsed("windows = [ { limit = 5, window = \"1h\" } ]\ndefault_limit = \"unlimited\"\n");
  EXPECT_EQ(config.default_limit.windows, (std::vector<WindowConfig>{{5, 1h, std::nullopt}}));
}

TEST(Limit, OnlyTheAlgorithmIsInherited) {
  const auto config = parsed(
      "algorithm = \"token_bucket\"\nburst = 500\nwindows = [ { limit = 1000, window = \"1h\" } ]\n"
      "[[rate_limiting.tiers]]\nname = \"t\"\nlimit = 5\nwindow = 1\n"
      "[[rate_limiting.endpoints]]\npattern = \"/a\"\nlimit = 6\nwindow = 2\n"
      "[rate_limiting.endpoints.tiers]\nt = { limit = 7, window = 3, algorithm = \"fixed_window\" "
      "}\n"
      "u = { limit = 8, window = 4 }\n");
  const LimitConfig tier{Algorithm::token_bucket, {{5, 1s, std::nullopt}}};
  const LimitConfig endpoint{Algorithm::token_bucket, {{6, 2s, std::nullopt}}};
  const LimitConfig own{Algorithm::fixed_window, {{7, 3s, std::nullopt}}};
  const LimitConfig other{Algorithm::token_bucket, {{8, 4s, std::nullopt}}};
  EXPECT_EQ(config.tiers.at(0).limit, tier);
  EXPECT_EQ(config.endpoints.at(0).limit, endpoint);
  EXPECT_EQ(config.endpoints.at(0).tiers.at("t"), own);
  EXPECT_EQ(config.endpoints.at(0).tiers.at("u"), other);
}

TEST(Limit, AnUnreadableValueDoesNotCauseFurtherFaults) {
  // With the default algorithm in its place the limit would be too large, the burst out of place.
  const std::string faults = faults_of(
      "default_limit = 1_000_000\nalgorithm = \"bucket\"\nburst = 3\n"
      "[[rate_limiting.tiers]]\nname = \"t\"\nlimit = 1_000_000\nwindow = \"60s\"\n");
  EXPECT_EQ(std::count(faults.begin(), faults.end(), '\n'), 1) << faults;
}

}  // namespace
}  // namespace tidegate::config
