// Runs seeds, and says which promise was broken in which.
//
//   simulate [--first SEED] [--seeds N] [--jobs N] [--expect-violation]
//   simulate --trace SEED
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/simulation/simulation.hpp"

namespace tidegate::simulation {
namespace {

/// Every so many seeds one is run twice, to see that it does the same.
constexpr std::uint64_t kTwice = 64;

struct Total {
  std::uint64_t seeds = 0;
  std::uint64_t repeated = 0;
  std::array<std::uint64_t, kFaults> faults{};
  std::map<AnsweredBy, std::uint64_t> answers;
  std::uint64_t elections = 0;
  std::optional<std::uint64_t> worst;  ///< the first seed that broke a promise
};

void print(std::uint64_t seed, const std::vector<Violation>& violations) {
  for (const Violation& violation : violations) {
    fmt::print("seed {} at {:.6f} s, {}: {}\n", seed, static_cast<double>(violation.at) / 1e6,
               violation.promise, violation.message);
  }
}

class Campaign {
 public:
  Campaign(std::uint64_t first, std::uint64_t seeds, bool stop_at_first)
      : next_(first), end_(first + seeds), stop_at_first_(stop_at_first) {}

  void work() {
    for (;;) {
      const std::uint64_t seed = next_.fetch_add(1);
      if (seed >= end_ || (stop_at_first_ && broken_)) return;
      run(seed);
    }
  }
  [[nodiscard]] const Total& total() const { return total_; }

 private:
  void run(std::uint64_t seed) {
    Outcome outcome;
    try {
      outcome = simulate(seed, false);
      if (seed % kTwice == 0 && simulate(seed, false).digest != outcome.digest) {
        outcome.violations.push_back({0, "repeatable", "a second run was not the same"});
      }
    } catch (const std::exception& error) {
      outcome.violations.push_back({0, "simulation", error.what()});
    }
    const std::lock_guard lock(mutex_);
    ++total_.seeds;
    total_.repeated += seed % kTwice == 0 ? 1 : 0;
    total_.elections += outcome.elections;
    for (std::size_t i = 0; i < kFaults; ++i) total_.faults[i] += outcome.faults[i];
    for (const auto& [by, count] : outcome.answers) total_.answers[by] += count;
    if (outcome.violations.empty()) return;
    broken_ = true;
    total_.worst = std::min(seed, total_.worst.value_or(seed));
    print(seed, outcome.violations);
  }

  std::atomic<std::uint64_t> next_;
  std::uint64_t end_;
  bool stop_at_first_;
  std::atomic<bool> broken_ = false;
  std::mutex mutex_;
  Total total_;
};

void print(const Total& total) {
  std::uint64_t faults = 0;
  for (std::size_t i = 0; i < kFaults; ++i) {
    fmt::print("{:>12} {}\n", total.faults[i], to_string(static_cast<Fault>(i)));
    faults += total.faults[i];
  }
  fmt::print("{:>12} faults injected in {} runs, {} of them run twice; {} elections\n", faults,
             total.seeds, total.repeated, total.elections);
  const auto answers = [&](AnsweredBy by) {
    const auto found = total.answers.find(by);
    return found == total.answers.end() ? 0 : found->second;
  };
  fmt::print(
      "{:>12} answers of the store; without it {} let through, {} refused, {} counted by "
      "the host\n",
      answers(AnsweredBy::store), answers(AnsweredBy::fail_open), answers(AnsweredBy::fail_closed),
      answers(AnsweredBy::local));
}

int run(int count, char** arguments) {
  CLI::App app("Simulates hosts, Redis and what goes wrong between them.");
  std::uint64_t first = 1;
  std::uint64_t seeds = 1'000;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  bool planted = false;
  std::optional<std::uint64_t> traced;
  app.add_option("--first", first, "the first seed");
  app.add_option("--seeds", seeds, "how many");
  app.add_option("--jobs", jobs, "at once")->check(CLI::PositiveNumber);
  app.add_flag("--expect-violation", planted,
               "for a build with a fault put in on purpose: fail unless a promise is broken");
  app.add_option("--trace", traced, "run this seed alone, and print all that happens");
  CLI11_PARSE(app, count, arguments);

  if (traced) {
    const Outcome outcome = simulate(*traced, true);
    print(*traced, outcome.violations);
    fmt::print("digest {:016x}\n", outcome.digest);
    return outcome.violations.empty() ? 0 : 1;
  }
  Campaign campaign(first, seeds, planted);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < jobs; ++i) threads.emplace_back([&campaign] { campaign.work(); });
  }
  print(campaign.total());
  const auto worst = campaign.total().worst;
  if (planted) {
    fmt::print("{}\n", worst ? fmt::format("found by seed {}", *worst) : "NOT found");
    return worst ? 0 : 1;
  }
  if (!worst) return 0;
  fmt::print("a promise was broken; see it happen: ./dev simulate --trace {}\n", *worst);
  return 1;
}

}  // namespace
}  // namespace tidegate::simulation

int main(int count, char** arguments) { return tidegate::simulation::run(count, arguments); }
