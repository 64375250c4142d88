// Starts workers on one store, as processes that are killed and replaced or as threads, whatever
// they do there.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <random>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "store/memory/store_core.hpp"
#include "tests/processes/hooks.hpp"
#include "tests/processes/workload.hpp"

namespace tidegate::torture {

/// A worker's view on the store.
template <class Hooks>
struct Attached {
  StoreCore<Hooks> core;

  Attached(std::span<std::byte> store, const Workload& workload, std::uint64_t attachment)
      : core(store.data(), workload.geometry, attachment) {
    auto& header = *reinterpret_cast<StoreHeader*>(store.data());
    auto* log = reinterpret_cast<Ring::Word*>(store.data() + StoreLayout(workload.geometry).log_at);
    std::vector<RingSet<Hooks>> rings;
    for (const Counter& counter : workload.counters) {
      if (counter.ring_slots == 0) continue;
      const auto layout = RingSetLayout::of(workload.geometry.log_slots, counter.ring_slots);
      rings.push_back({.table = SlotTable<Hooks>(reinterpret_cast<Bucket*>(log), layout.buckets,
                                                 layout.slots_per_bucket, header.ring_times,
                                                 header.counts.evictions),
                       .rings = log + layout.rings_at,
                       .ring_slots = counter.ring_slots,
                       .older = {}});
    }
    core.set_rings(std::move(rings));
  }
};

/// Prepares this thread's disturbances: dying at steps, where `deaths` is given to count them.
inline void disturb(std::uint64_t seed, std::atomic<std::uint64_t>* deaths) {
  disturbance.random.seed(seed);
  disturbance.deaths_at_steps = deaths;
  disturbance.steps_per_death = deaths != nullptr ? 5'000 : 0;
}

/// Runs `work(process, number)` in each of `processes` processes; `number` counts all that were
/// ever started. Now and then one is killed, wherever it is just then; each that was killed is
/// replaced, until all have come to the end. Returns how many were killed, by anybody.
template <class Work>
std::uint64_t run_processes(std::size_t processes, std::uint64_t seed, Work&& work) {
  constexpr std::uint64_t kLongestPause_us = 600;
  constexpr pid_t kEnded = 0;
  std::vector<pid_t> pids(processes, kEnded);
  std::uint64_t started = 0;
  const auto start = [&](std::size_t process) {
    const std::uint64_t number = started++;
    const pid_t pid = fork();
    if (pid < 0) throw std::bad_alloc();
    if (pid == 0) {
      work(process, number);
      _exit(0);
    }
    pids[process] = pid;
  };
  for (std::size_t process = 0; process < processes; ++process) start(process);

  std::mt19937_64 random(seed);
  std::uint64_t deaths = 0;
  for (std::size_t running = processes; running > 0;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0) throw std::bad_alloc();
    if (pid == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % kLongestPause_us));
      const pid_t victim = pids[random() % processes];
      // Not yet waited for, so the number is nobody else's.
      if (victim != kEnded) kill(victim, SIGKILL);
      continue;
    }
    const auto process = static_cast<std::size_t>(std::ranges::find(pids, pid) - pids.begin());
    pids[process] = kEnded;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ++deaths;
      start(process);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      --running;
    } else {
      fmt::print(stderr, "a worker ended with status {}\n", status);
      std::exit(2);  // NOLINT(concurrency-mt-unsafe): this process has one thread
    }
  }
  return deaths;
}

/// Runs `work(thread)` in each of `threads` threads.
template <class Work>
void run_threads(std::size_t threads, Work&& work) {
  std::vector<std::jthread> running;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&work, thread] { work(thread); });
  }
}

/// The one of `all` that is called `name`; ends the program if there is none.
template <class Named>
const auto& named(const Named& all, std::string_view name) {
  const auto found = std::ranges::find_if(all, [&](const auto& each) { return each.name == name; });
  if (found != std::end(all)) return *found;
  fmt::print(stderr, "there is no '{}', but", name);
  for (const auto& each : all) fmt::print(stderr, " {}", each.name);
  fmt::print(stderr, "\n");
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): as above
}

/// What a program of this room is told to do.
struct Arguments {
  std::string_view workload;
  std::string_view variant;
  std::uint64_t count = 0;
  std::uint64_t seed = 0;
};

/// Reads "PROGRAM WORKLOAD [VARIANT [COUNTED [SEED]]]"; says so and ends the program if there are
/// fewer or more. Of what is `counted` there are `usual` if nothing is said.
inline Arguments read_arguments(std::span<char*> given, std::string_view program,
                                std::string_view counted, std::uint64_t usual) {
  if (given.size() < 2 || given.size() > 5) {
    fmt::print(stderr, "usage: {} WORKLOAD [VARIANT [{} [SEED]]]\n", program, counted);
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): as above
  }
  const auto number_or = [&](std::size_t at, std::uint64_t otherwise) {
    return given.size() > at ? std::strtoull(given[at], nullptr, 10) : otherwise;
  };
  return {.workload = given[1],
          .variant = given.size() > 2 ? given[2] : "real",
          .count = number_or(3, usual),
          .seed = number_or(4, std::random_device()())};
}

/// How often something happened that had to, by its name.
struct Aim {
  std::string_view what;
  bool wanted = false;
  std::uint64_t happened = 0;
};

/// False, and says why, if something that was aimed at never happened: then nothing was tested.
inline bool reached(std::span<const Aim> aims) {
  bool all = true;
  for (const Aim& aim : aims) {
    if (!aim.wanted || aim.happened != 0) continue;
    fmt::print("nothing tested: there were no {}\n", aim.what);
    all = false;
  }
  return all;
}

}  // namespace tidegate::torture
