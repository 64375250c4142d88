#include "observe/top_view.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tidegate {
namespace {

Status some_status() {
  return {.version = "1.2.3",
          .time_us = (13 * 3600 + 4 * 60 + 5) * std::uint64_t{1'000'000},
          .backend = "memory",
          .failure_mode = "fail_open",
          .reloads = {.generation = 7, .succeeded = 6},
          .store = {.entries = 250'000, .capacity = 1'000'000, .evictions = 12'345},
          .totals = {{"default", "anonymous", {1000, 20}, {20}}, {"search", "premium", {5}, {}}},
          .busiest = {{"search", "premium", "user:42", 19, 20}}};
}

Status two_seconds_before() {
  Status status = some_status();
  status.time_us -= 2'000'000;
  status.totals[0].requests = {900, 10};
  status.totals.pop_back();
  return status;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  EXPECT_EQ(lines.back(), "") << "the last line ends too";
  lines.pop_back();
  return lines;
}

TEST(TopView, TellsEverythingIn80Columns) {
  const Status before = two_seconds_before();
  EXPECT_EQ(top_text(some_status(), &before, {.title = "tidegate@default"}),
            R"(tidegate 1.2.3  tidegate@default                                    13:04:05 UTC
ok  memory, breaker closed, fail_open, configuration 7, reloads 6
requests 57.5/s  rejected 5.0/s
table [#####...............] 25.0% of 1,000,000 entries
evictions 12,345  overflow 0  conflicts 0  repairs 0

RULE               TIER             REQ/S     REJ/S      REQUESTS      REJECTED
default            anonymous         55.0       5.0         1,020            20
search             premium            2.5       0.0             5             0

CLIENT                         RULE                  USED       LIMIT
user:42                        search                  19          20 ##########
)");
}

TEST(TopView, KnowsNoRatesWithoutAnEarlierLook) {
  const std::string text = top_text(some_status(), nullptr, {});
  EXPECT_NE(text.find("requests -/s  rejected -/s\n"), std::string::npos) << text;
  const Status same = some_status();
  EXPECT_EQ(top_text(some_status(), &same, {}), text) << "nor where no time has passed";
}

TEST(TopView, FitsWhateverWidthAndHeight) {
  Status status = some_status();
  for (int i = 0; i < 50; ++i) {
    status.busiest.push_back({"a-rule-with-a-long-name", "anonymous",
                              "user:" + std::string(300, 'x'), 1'000'000'000, 1'000'000'000});
    status.totals.push_back({"rule-" + std::string(59, 'r'),
                             "tier-" + std::string(59, 't'),
                             {1'000'000'000'000'000},
                             {}});
  }
  for (const std::size_t width : {1U, 20U, 40U, 79U, 80U, 81U, 132U, 300U}) {
    for (const std::size_t height : {1U, 5U, 10U, 24U, 60U}) {
      const auto lines = lines_of(top_text(status, nullptr, {.width = width, .height = height}));
      EXPECT_LE(lines.size(), height);
      for (const std::string& line : lines) {
        EXPECT_LE(line.size(), std::max<std::size_t>(width, 20)) << line;
      }
    }
  }
  const std::string text = top_text(status, nullptr, {.height = 24});
  EXPECT_EQ(lines_of(text).size(), 24U);
  EXPECT_NE(text.find("rule-rrr"), std::string::npos);
  EXPECT_NE(text.find("user:42 "), std::string::npos) << "clients have their part of the rows";
}

TEST(TopView, LetsNoByteOfAClientReachTheTerminal) {
  Status status = some_status();
  status.busiest.front().client = std::string(
      "user:\x1b]0;x\x07\x9b"
      "31m\n\\\0\x7f",
      19);
  status.totals.front().endpoint = "\x1b[2J";
  for (const bool color : {false, true}) {
    std::string text =
        top_text(status, nullptr, {.title = "\x1b[1m", .width = 200, .color = color});
    EXPECT_NE(text.find(R"(user:\x1b]0;x\x07\x9b31m\x0a\x5c\x00)"), std::string::npos) << text;
    for (const char* const ours : {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"}) {
      for (std::size_t at = 0; color && (at = text.find(ours, at)) != std::string::npos;) {
        text.erase(at, std::string_view(ours).size());
      }
    }
    EXPECT_TRUE(std::ranges::all_of(text, [](char c) {
      return (c >= ' ' && c <= '~') || c == '\n';
    })) << text;
  }
}

TEST(TopView, ColoursWhatIsWrong) {
  Status status = some_status();
  status.breaker = "open";
  status.store.overflow = 1;
  const std::string text = top_text(status, nullptr, {.color = true});
  EXPECT_NE(text.find("\x1b[31mopen\x1b[0m"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[33moverflow 1"), std::string::npos) << text;
}

}  // namespace
}  // namespace tidegate
