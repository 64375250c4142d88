// Runs a workload on one store, in processes that die at random steps or in threads, and says
// whether anybody was ever granted more than the windows admit.
//
//   torture WORKLOAD [VARIANT [DECISIONS]]
//
// VARIANT is `real` (the default), `threads` (the real protocol in threads of one process), or one
// that must be caught. DECISIONS are each worker's. Prints a line; exits with 0 if nothing was
// above a bound, 1 if something was, 2 if the run itself failed.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store/memory/store_core.hpp"
#include "tests/processes/arena.hpp"
#include "tests/processes/bounds.hpp"
#include "tests/processes/hooks.hpp"
#include "tests/processes/workload.hpp"

namespace tidegate::torture {
namespace {

/// A worker's view on the store.
template <class Hooks>
struct Attached {
  StoreCore<Hooks> core;

  Attached(Arena& arena, const Workload& workload, std::uint64_t attachment)
      : core(arena.store().data(), kGeometry, attachment) {
    auto& header = *reinterpret_cast<StoreHeader*>(arena.store().data());
    auto* log = reinterpret_cast<Ring::Word*>(arena.store().data() + StoreLayout(kGeometry).log_at);
    std::vector<RingSet<Hooks>> rings;
    for (const Counter& counter : workload.counters) {
      if (counter.ring_slots == 0) continue;
      const auto layout = RingSetLayout::of(kGeometry.log_slots, counter.ring_slots);
      rings.push_back({.table = SlotTable<Hooks>(reinterpret_cast<Bucket*>(log), layout.buckets,
                                                 layout.slots_per_bucket, header.ring_times,
                                                 header.counts.evictions),
                       .rings = log + layout.rings_at,
                       .ring_slots = counter.ring_slots});
    }
    core.set_rings(std::move(rings));
  }
};

/// One worker's decisions, from where the one it replaces has stopped.
template <class Hooks>
void work(Arena& arena, const Workload& workload, std::size_t worker, StoreCore<Hooks>& core,
          std::uint64_t decisions) {
  Arena::Progress& progress = arena.progress(worker);
  const std::span<LogLine> log = arena.log(worker);
  auto& random = disturbance.random;
  std::vector<Charge> charges(workload.counters.size());
  std::vector<Verdict> verdicts(workload.counters.size());

  while (progress.decisions.fetch_add(1) < decisions) {
    LogLine line{};
    line.client = static_cast<std::uint32_t>(random() % workload.clients);
    line.cost = static_cast<std::uint16_t>(1 + random() % workload.max_cost);
    line.from = arena.clock().fetch_add(random() % (2 * workload.step_us * kTicksPerMicro));
    // Now and then a clock that is late.
    if (disturbance.chance(8)) line.from -= random() % (50 * workload.step_us * kTicksPerMicro);

    std::size_t count = 0;
    const bool whole = workload.whole_groups != 0 && disturbance.chance(workload.whole_groups);
    const std::size_t only = random() % workload.counters.size();
    for (std::size_t i = 0; i < workload.counters.size(); ++i) {
      if (!whole && i != only) continue;
      charges[count++] = {&workload.counters[i], client_hash(line.client), line.cost};
      line.counters = static_cast<std::uint16_t>(line.counters | 1U << i);
    }
    if (count == 1) {
      verdicts[0] = core.decide(charges[0], line.from);
    } else {
      core.decide_group({charges.data(), count}, line.from, verdicts.data());
    }
    line.to = arena.clock().load();
    if (!std::all_of(verdicts.begin(), verdicts.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const Verdict& verdict) { return verdict.admitted; })) {
      continue;
    }
    // Written after the grant: who dies in between hides one, and invents none.
    const std::uint64_t at = progress.grants.load();
    log[at] = line;
    progress.grants.store(at + 1);
  }
}

/// Starts the workers as processes, and replaces each that was killed, until all came to the end.
/// Returns how many were killed.
template <class Hooks>
std::uint64_t run_processes(Arena& arena, const Workload& workload, std::uint64_t decisions) {
  std::vector<pid_t> pids(kWorkers);
  std::uint64_t started = 0;
  const auto start = [&](std::size_t worker) {
    const std::uint64_t number = started++;
    const pid_t pid = fork();
    if (pid < 0) throw std::bad_alloc();
    if (pid == 0) {
      disturbance.random.seed(number);
      disturbance.steps_per_death = 5'000;
      Attached<Hooks> store(arena, workload, number);
      work(arena, workload, worker, store.core, decisions);
      _exit(0);
    }
    pids[worker] = pid;
  };
  for (std::size_t worker = 0; worker < kWorkers; ++worker) start(worker);

  std::uint64_t deaths = 0;
  for (std::size_t running = kWorkers; running > 0;) {
    int status = 0;
    const pid_t pid = wait(&status);
    if (pid < 0) throw std::bad_alloc();
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ++deaths;
      start(static_cast<std::size_t>(std::ranges::find(pids, pid) - pids.begin()));
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      --running;
    } else {
      fmt::print(stderr, "torture: a worker ended with status {}\n", status);
      std::exit(2);  // NOLINT(concurrency-mt-unsafe): this process has one thread
    }
  }
  return deaths;
}

/// The same in threads, for ThreadSanitizer, which sees nothing between processes.
std::uint64_t run_threads(Arena& arena, const Workload& workload, std::uint64_t decisions) {
  Attached<RealHooks> store(arena, workload, 0);
  std::vector<std::jthread> threads;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      disturbance.random.seed(worker);
      work(arena, workload, worker, store.core, decisions);
    });
  }
  return 0;
}

/// Grants above the bound, over all clients and counters.
std::uint64_t check(Arena& arena, const Workload& workload, std::uint64_t& grants) {
  std::uint64_t above = 0;
  for (std::size_t counter = 0; counter < workload.counters.size(); ++counter) {
    std::vector<std::vector<Grant>> of_client(workload.clients);
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      const auto log = arena.log(worker).first(arena.progress(worker).grants);
      for (const LogLine& line : log) {
        if ((line.counters >> counter & 1U) == 0) continue;
        of_client[line.client].push_back({line.from, line.to, line.cost});
        ++grants;
      }
    }
    for (const auto& each : of_client)
      above += above_bound(workload.counters[counter].window, each);
  }
  return above;
}

using Run = std::uint64_t (*)(Arena&, const Workload&, std::uint64_t decisions);
struct Variant {
  std::string_view name;
  Run run;
};
constexpr Variant kVariants[] = {
    {"real", run_processes<RealHooks>},
    {"threads", run_threads},
    {"tag_and_word_apart", run_processes<TagAndWordApart>},
    {"no_pending", run_processes<NoPending>},
    {"no_horizon", run_processes<NoHorizon>},
    {"undo_by_subtraction", run_processes<UndoBySubtraction>},
};

template <class Named>
const auto* named(const Named& all, std::string_view name) {
  const auto found = std::ranges::find_if(all, [&](const auto& each) { return each.name == name; });
  if (found != std::end(all)) return &*found;
  fmt::print(stderr, "torture: there is no '{}', but", name);
  for (const auto& each : all) fmt::print(stderr, " {}", each.name);
  fmt::print(stderr, "\n");
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): as above
}

int main(std::span<char*> arguments) {
  if (arguments.size() < 2 || arguments.size() > 4) {
    fmt::print(stderr, "usage: torture WORKLOAD [VARIANT [DECISIONS]]\n");
    return 2;
  }
  const std::vector<Workload> all = workloads();
  const Workload& workload = *named(all, arguments[1]);
  const Variant& variant = *named(kVariants, arguments.size() > 2 ? arguments[2] : "real");
  const std::uint64_t decisions =
      arguments.size() > 3 ? std::strtoull(arguments[3], nullptr, 10) : 100'000;

  Arena arena(decisions);
  const std::uint64_t deaths = variant.run(arena, workload, decisions);
  std::uint64_t grants = 0;
  const std::uint64_t above = check(arena, workload, grants);
  const StoreStats stats =
      Attached<RealHooks>(arena, workload, 0).core.stats(arena.clock(), kGeometry.capacity);
  fmt::print(
      "{}, {}: {} decisions each, {} grants, {} deaths, {} evictions, {} on shared words, {} "
      "conflicts; above the bound: {}\n",
      workload.name, variant.name, decisions, grants, deaths, stats.evictions, stats.overflow,
      stats.conflicts, above);
  return above == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tidegate::torture

int main(int argc, char** argv) {
  return tidegate::torture::main({argv, static_cast<std::size_t>(argc)});
}
