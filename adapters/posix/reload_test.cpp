// One configuration for all who share a segment, changed under them.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "adapters/posix/generation.hpp"
#include "adapters/posix/test_segments.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class Reload : public posix::SegmentFixture {
 protected:
  Reload()
      : file_(testing::TempDir() + "tidegate-reload-" + std::to_string(::getpid()) + ".toml"),
        log_(file_ + ".log") {}
  void TearDown() override {
    SegmentFixture::TearDown();
    std::remove(file_.c_str());
    std::remove(log_.c_str());
  }

  /// The text of a file for the segment of this test.
  std::string toml(std::string_view rules) const {
    return fmt::format(
        "[rate_limiting]\nnamespace = \"{}\"\nlog = \"{}\"\n{}\n[rate_limiting.memory]\n"
        "segment = \"{}\"\ncapacity = {}\nlog_slots = {}\n",
        config_.name_space, log_, rules, config_.memory.segment, config_.memory.capacity,
        config_.memory.log_slots);
  }
  void write(std::string_view rules) const { std::ofstream(file_) << toml(rules); }
  LoadedConfig loaded(std::string_view rules) const {
    auto parsed = parse_config(toml(rules), "other.toml", {});
    EXPECT_TRUE(parsed) << to_string(parsed.error().front());
    return std::move(*parsed);
  }
  std::unique_ptr<Limiter> open(std::string_view rules) const {
    write(rules);
    const auto config = load_config(file_);
    EXPECT_TRUE(config) << to_string(config.error().front());
    auto limiter = Limiter::open(*config);
    EXPECT_TRUE(limiter) << limiter.error().message;
    return std::move(*limiter);
  }
  static Decision decide(Limiter& limiter, const char* peer = "203.0.113.7") {
    Decision decision;
    limiter.decide({.peer = IpAddress::parse(peer), .method = "GET", .target = "/x"}, decision);
    return decision;
  }
  static std::uint64_t limit(Limiter& limiter) {
    const Decision decision = decide(limiter, "203.0.113.99");
    return decision.windows.empty() ? 0 : decision.windows.front().limit;
  }
  /// Asks until the limiter has taken up what is in force.
  static bool comes_to(Limiter& limiter, std::uint64_t wanted) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (limit(limiter) != wanted) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string file_;
  std::string log_;
};

TEST_F(Reload, IsOneActForAllWhoShareTheSegment) {
  const auto one = open("default_limit = 5");
  const auto other = open("default_limit = 5");
  EXPECT_EQ(one->health().generation, 1U) << "the same text is no reload";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(decide(*one).admitted());
  write("default_limit = 7");
  const auto reloaded = one->reload();
  ASSERT_TRUE(reloaded) << to_string(reloaded.error().front());
  EXPECT_EQ(*reloaded, 2U);
  EXPECT_EQ(limit(*one), 7U) << "at once where it was asked for";
  EXPECT_TRUE(comes_to(*other, 7));
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += decide(*other).admitted() ? 1 : 0;
  EXPECT_EQ(admitted, 3) << "what was used is used";
  for (const auto* limiter : {one.get(), other.get()}) {
    EXPECT_EQ(limiter->health().generation, 2U);
    const std::string metrics = limiter->metrics();
    EXPECT_TRUE(posix::says(metrics, {"rate_limit_config_generation 2\n",
                                      "rate_limit_reloads_total{result=\"ok\"} 1\n"}));
  }
  EXPECT_TRUE(posix::says(log(), {"configuration_reloaded", "configuration_taken_up", file_}));
}

TEST_F(Reload, LeavesTheOldRulesWhereTheFileIsFaulty) {
  const auto limiter = open("default_limit = 5");
  write("default_limit = -1\nalgorithm = \"gcra\"");
  const auto refused = limiter->reload();
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().size(), 2U) << "every fault";
  EXPECT_EQ(refused.error()[0].line, 4U);
  EXPECT_EQ(limit(*limiter), 5U);
  EXPECT_EQ(limiter->health().generation, 1U);
  EXPECT_TRUE(posix::says(limiter->health().reload_error, {"default_limit", "algorithm"}));
  EXPECT_TRUE(posix::says(limiter->metrics(), {"rate_limit_config_generation 1\n",
                                               "rate_limit_reloads_total{result=\"failed\"} 1\n"}));
  EXPECT_TRUE(posix::says(log(), {"configuration_refused", "gcra"}));
  write("default_limit = 6");
  EXPECT_TRUE(limiter->reload());
  EXPECT_EQ(limiter->health().reload_error, "");
}

TEST_F(Reload, DoesNotChangeWhatOnlyARestartCan) {
  const auto limiter = open("default_limit = 5");
  RateLimitConfig config = *limiter->config();
  config.memory.capacity = 2'000;
  config.memory.mode = 0660;
  config.name_space = "other";
  const auto refused = limiter->reload({.config = config});
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().size(), 3U);
  EXPECT_TRUE(posix::says(to_string(refused.error()[0]), {"namespace", "\"other\"", "restart"}));
  EXPECT_TRUE(posix::says(to_string(refused.error()[1]),
                          {"memory.capacity", "2000", "1000", "tidegate segment remove"}));
  EXPECT_TRUE(posix::says(to_string(refused.error()[2]), {"memory.mode", "\"0660\""}));
  EXPECT_EQ(limit(*limiter), 5U);
}

TEST_F(Reload, HappensWhereAProcessStartsWithAnotherText) {
  const auto one = open("default_limit = 5");
  const auto other = Limiter::open(loaded("default_limit = 9"));
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ((*other)->health().generation, 2U);
  EXPECT_TRUE(comes_to(*one, 9));
  EXPECT_TRUE(posix::says(log(), {"configuration_replaced", "other.toml replaces " + file_}));
}

TEST_F(Reload, AChildOfForkBeginsWithWhatIsInForce) {
  const auto limiter = open("default_limit = 5");
  {
    const auto other = Limiter::open(loaded("default_limit = 9"));
    ASSERT_TRUE(other);
  }
  const pid_t child = in_child([&] {
    limiter->after_fork();
    return static_cast<int>(limit(*limiter));
  });
  EXPECT_EQ(result_of(child), 9);
}

TEST_F(Reload, CommandsLookByTheRulesInForce) {
  const auto limiter = open("default_limit = 5");
  const auto other = Limiter::open(loaded("default_limit = 9"));
  const auto opened = posix::open_in_force(*limiter->config());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->generation->number, 2U);
  EXPECT_EQ(opened->generation->config().default_limit.windows[0].limit, 9U);
}

TEST_F(Reload, ChangesWhatIsWrittenAndWhere) {
  const auto limiter = open("default_limit = 1");
  EXPECT_TRUE(limiter->render_options().x_ratelimit);
  const std::string other_log = log_ + ".other";
  LoadedConfig next = loaded("default_limit = 1\nheaders = [\"ietf\"]");
  next.config.log = other_log;
  next.text.reset();
  ASSERT_TRUE(limiter->reload(next));
  EXPECT_FALSE(limiter->render_options().x_ratelimit);
  EXPECT_TRUE(limiter->render_options().ietf);
  for (int i = 0; i < 2; ++i) decide(*limiter);
  std::ifstream file(other_log);
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(posix::says(written, {"\"status\":\"denied\""}));
  std::remove(other_log.c_str());
}

TEST_F(Reload, SurvivesATextThatWasCutShort) {
  {
    const auto limiter = open("default_limit = 5");
    const auto segment = posix::Segment::open_existing(*limiter->config());
    ASSERT_TRUE(segment);
    segment->config().write("rate_limiting.default_limit = 99\n", "half");
    // As if who wrote it had died on the way.
    const auto bytes = segment->counters_memory();
    std::byte* text =
        bytes.data() - posix::SegmentLayout::kCountersAt + posix::SegmentLayout::kTextAt;
    *text ^= std::byte{1};
    EXPECT_EQ(limit(*limiter), 5U);
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(limit(*limiter), 5U) << "it goes on with what it has";
    EXPECT_TRUE(limiter->reload()) << "and the next reload puts it right";
    EXPECT_EQ(limit(*limiter), 5U);
  }
  const auto again = open("default_limit = 6");
  EXPECT_EQ(limit(*again), 6U);
}

TEST_F(Reload, SurvivesWhoeverDiesWhileReloading) {
  config_.memory.log_slots = 100'000;
  const std::string rules =
      "[[rate_limiting.endpoints]]\npattern = '/x'\nlimit = {}\nwindow = \"1h\"\n"
      "algorithm = \"sliding_window\"\n";
  const auto with = [&](int limit, int others) {
    std::string text = fmt::format(fmt::runtime(rules), limit);
    for (int i = 0; i < others; ++i) {
      text += fmt::format(
          "[[rate_limiting.endpoints]]\npattern = '/other{}'\nlimit = 5\n"
          "window = 60\nalgorithm = \"{}\"\n",
          i, i % 2 == 0 ? "sliding_window" : "token_bucket");
    }
    return loaded(text);
  };
  const auto limiter = open(fmt::format(fmt::runtime(rules), 5));
  for (int i = 0; i < 9; ++i) decide(*limiter);
  std::mt19937_64 random(7);
  std::uint64_t killed = 0;
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t before = limiter->health().generation;
    const pid_t child = in_child([&] {
      limiter->after_fork();
      for (int i = 0; i < 1'000; ++i) {
        if (!limiter->reload(with(5 + 2 * round, (round + i) % 10))) return 1;
      }
      return 0;
    });
    // Somewhere within its second to fifth reload, most likely.
    const std::uint64_t reloads = 1 + random() % 4;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (limiter->health().generation < before + reloads &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(50us);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 1'500));
    ::kill(child, SIGKILL);
    killed += result_of(child) == -SIGKILL ? 1 : 0;
  }
  EXPECT_GT(killed, 50U);
  const auto reloaded = limiter->reload(with(200, 0));
  ASSERT_TRUE(reloaded) << to_string(reloaded.error().front());
  EXPECT_GT(*reloaded, 100U);
  int admitted = 0;
  for (int i = 0; i < 250; ++i) admitted += decide(*limiter).admitted() ? 1 : 0;
  EXPECT_EQ(admitted, 195) << "five were let in before";
}

TEST_F(Reload, NobodyIsRefusedOrLetInTwiceMeanwhile) {
  // Two limiters on one segment, four threads that never stop, one client at a high limit that
  // changes all the time, and one whose limit never does.
  const std::string rules =
      "default_limit = 100_000\n[[rate_limiting.endpoints]]\npattern = '/x'\n"
      "limit = 50\nwindow = \"1h\"\nalgorithm = \"sliding_window\"\n";
  const auto one = open(rules);
  const auto other = open(rules);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> admitted = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> asked = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Limiter& limiter = i % 2 == 0 ? *one : *other;
      Decision decision;
      while (!stop) {
        admitted += decide(limiter).admitted() ? 1 : 0;
        limiter.decide({.peer = IpAddress::parse("203.0.113.8"), .method = "GET", .target = "/y"},
                       decision);
        refused += decision.admitted() ? 0 : 1;
        ++asked;
        std::this_thread::sleep_for(100us);
      }
    });
  }
  // Until the threads have asked for more than there is, too.
  for (int i = 0; i < 30 || asked < 200; ++i) {
    const std::string more = "[[rate_limiting.endpoints]]\npattern = '/new" + std::to_string(i) +
                             "'\nlimit = 50\nwindow = 60\n";
    const auto reloaded = (i % 2 == 0 ? *one : *other).reload(loaded(rules + more));
    ASSERT_TRUE(reloaded) << to_string(reloaded.error().front());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 0U);
  EXPECT_EQ(admitted, 50U);
}

}  // namespace
}  // namespace tidegate
