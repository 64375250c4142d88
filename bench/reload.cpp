// What a reload of ten thousand rules does to whoever decides meanwhile: two processes on one
// segment, of which one decides all the time and the other reloads.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "adapters/posix/segment.hpp"
#include "adapters/posix/segment_file.hpp"
#include "bench/fail.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRules = 10'000;
constexpr int kReloads = 20;
constexpr auto kBetween = 300ms;
constexpr auto kQuiet = kReloads * kBetween;

LoadedConfig config_of(std::uint64_t limit) {
  LoadedConfig loaded;
  loaded.config.name_space = fmt::format("bench-{}", ::getpid());
  loaded.config.memory.segment = "bench-reload";
  loaded.config.log = "/dev/null";
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    EndpointConfig& endpoint = loaded.config.endpoints.emplace_back();
    endpoint.name = fmt::format("rule-{:05}", rule);
    endpoint.pattern = fmt::format("/api/v1/resource-{:05}/*", rule);
    endpoint.limit = {Algorithm::fixed_window,
                      {{.limit = limit, .window = std::chrono::hours(1), .burst = {}}}};
  }
  return loaded;
}

std::unique_ptr<Limiter> open(const LoadedConfig& loaded) {
  auto limiter = Limiter::open(loaded);
  if (!limiter) fail(limiter.error().message);
  return std::move(*limiter);
}

double now_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

/// Of single decisions, in microseconds: the longest, by the clock on the wall and in processor
/// time of the thread that decided; and how many took above a millisecond of either.
struct Pauses {
  double wall_us = 0;
  double cpu_us = 0;
  std::uint64_t above_1_ms_wall = 0;
  std::uint64_t above_1_ms_cpu = 0;
  std::uint64_t decisions = 0;
};

/// Shared by both processes.
struct Stage {
  std::atomic<int> phase{0};  ///< 0 not begun, 1 quiet, 2 reloads, 3 over
  std::atomic<bool> ready{false};
  Pauses quiet;
  Pauses reloads;
};

void decide_all_the_time(const LoadedConfig& loaded, Stage& stage) {
  const auto limiter = open(loaded);
  Decision decision;
  std::vector<std::string> targets;
  for (std::size_t i = 0; i < 64; ++i) {
    targets.push_back(fmt::format("/api/v1/resource-{:05}/x", i * 151 % kRules));
  }
  stage.ready = true;
  for (std::size_t i = 0;; ++i) {
    const int phase = stage.phase;
    if (phase == 3) return;
    const double wall = now_us(CLOCK_MONOTONIC);
    const double cpu = now_us(CLOCK_THREAD_CPUTIME_ID);
    limiter->decide({.peer = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(i)}),
                     .method = "GET",
                     .target = targets[i % targets.size()]},
                    decision);
    const double cpu_us = now_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
    const double wall_us = now_us(CLOCK_MONOTONIC) - wall;
    if (phase == 0) continue;
    Pauses& pauses = phase == 1 ? stage.quiet : stage.reloads;
    pauses.wall_us = std::max(pauses.wall_us, wall_us);
    pauses.cpu_us = std::max(pauses.cpu_us, cpu_us);
    pauses.above_1_ms_wall += wall_us > 1'000 ? 1 : 0;
    pauses.above_1_ms_cpu += cpu_us > 1'000 ? 1 : 0;
    ++pauses.decisions;
  }
}

void print(std::string_view name, const Pauses& pauses) {
  fmt::print(R"("{}":{{"wall_us":{:.1f},"cpu_us":{:.1f},"above_1_ms_wall":{},"above_1_ms_cpu":{},)"
             R"("decisions":{}}})",
             name, pauses.wall_us, pauses.cpu_us, pauses.above_1_ms_wall, pauses.above_1_ms_cpu,
             pauses.decisions);
}

void measure_reload() {
  void* const memory =
      ::mmap(nullptr, sizeof(Stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory to share");
  auto& stage = *new (memory) Stage;
  const LoadedConfig first = config_of(1'000'000'000);
  const auto limiter = open(first);
  const pid_t decider = ::fork();
  if (decider == 0) {
    decide_all_the_time(first, stage);
    ::_exit(0);
  }
  while (!stage.ready) std::this_thread::sleep_for(1ms);

  stage.phase = 1;
  std::this_thread::sleep_for(kQuiet);
  stage.phase = 2;
  double longest_reload_us = 0;
  for (int i = 0; i < kReloads; ++i) {
    const LoadedConfig next = config_of(999'999'000 + static_cast<std::uint64_t>(i));
    const double began = now_us(CLOCK_MONOTONIC);
    if (const auto reloaded = limiter->reload(next); !reloaded) {
      fail(to_string(reloaded.error().front()));
    }
    longest_reload_us = std::max(longest_reload_us, now_us(CLOCK_MONOTONIC) - began);
    std::this_thread::sleep_for(kBetween);
  }
  stage.phase = 3;
  int status = 0;
  ::waitpid(decider, &status, 0);
  if (status != 0) fail("the process that decides has died");
  fmt::print(R"({{"rules":{},"reloads":{},"longest_reload_us":{:.0f},)", kRules, kReloads,
             longest_reload_us);
  print("quiet", stage.quiet);
  fmt::print(",");
  print("with_reloads", stage.reloads);
  fmt::print("}}\n");
  const std::string name = posix::segment_name(first.config);
  if (!posix::remove_segment(name)) fail("the segment cannot be removed");
}

}  // namespace
}  // namespace tidegate::bench

int main() { tidegate::bench::measure_reload(); }
