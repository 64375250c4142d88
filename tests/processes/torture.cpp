// Runs a workload on one store, in processes that die at random or in threads, and says whether
// anybody was ever granted more than the windows admit.
//
//   torture WORKLOAD [VARIANT [DECISIONS [SEED]]]
//
// VARIANT is `real` (the default), `threads` (the real protocol in threads of one process), or one
// that must be caught. DECISIONS are each worker's. Prints a line; exits with 0 if nothing was
// above a bound, 1 if something was, 2 if the run itself failed or did not meet what it aims at.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "store/memory/store_core.hpp"
#include "tests/processes/arena.hpp"
#include "tests/processes/bounds.hpp"
#include "tests/processes/hooks.hpp"
#include "tests/processes/workers.hpp"
#include "tests/processes/workload.hpp"

namespace tidegate::torture {
namespace {

/// One admitted decision. `counters` has a bit for each counter that was charged.
struct LogLine {
  std::uint32_t client;
  std::uint16_t counters;
  std::uint16_t cost;
  Ticks from;
  Ticks to;
};
using Arena = torture::Arena<LogLine>;

struct Options {
  const Workload& workload;
  std::uint64_t decisions;
  std::uint64_t seed;
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
    if (workload.jump_us != 0 && disturbance.chance(1'000)) {
      arena.clock().fetch_add(workload.jump_us * kTicksPerMicro);
    }
    // Now and then a clock that is late.
    if (disturbance.chance(8)) line.from -= random() % (50 * workload.step_us * kTicksPerMicro);

    std::size_t count = 0;
    const bool whole = workload.whole_groups != 0 && disturbance.chance(workload.whole_groups);
    const std::size_t only = random() % workload.counters.size();
    for (std::size_t i = 0; i < workload.counters.size(); ++i) {
      if (!whole && i != only) continue;
      charges[count++] = {&workload.counters[i], client_hash(line.client, workload.buckets),
                          line.cost};
      line.counters = static_cast<std::uint16_t>(line.counters | 1U << i);
    }
    if (count == 1) {
      core.decide(charges[0], line.from, verdicts[0]);
    } else {
      core.decide_group({charges.data(), count}, line.from, verdicts.data());
    }
    line.to = arena.clock().load();
    if (!std::all_of(verdicts.begin(), verdicts.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const Verdict& verdict) { return verdict.admitted; })) {
      continue;
    }
    // Written after the grant: who dies in between hides one, and invents none.
    const std::uint64_t at = progress.lines.load();
    log[at] = line;
    progress.lines.store(at + 1);
  }
}

template <class Hooks>
std::uint64_t in_processes(Arena& arena, const Options& options) {
  return run_processes(kWorkers, options.seed, [&](std::size_t process, std::uint64_t number) {
    disturb(options.seed + number, &arena.deaths_at_steps());
    Attached<Hooks> store(arena.store(), options.workload, number);
    work(arena, options.workload, process, store.core, options.decisions);
  });
}

/// For ThreadSanitizer, which sees nothing between processes.
std::uint64_t in_threads(Arena& arena, const Options& options) {
  Attached<RealHooks> store(arena.store(), options.workload, 0);
  run_threads(kWorkers, [&](std::size_t thread) {
    disturb(options.seed + thread, nullptr);
    work(arena, options.workload, thread, store.core, options.decisions);
  });
  return 0;
}

/// Grants above the bound, over all clients and counters.
std::uint64_t check(Arena& arena, const Workload& workload, std::uint64_t& grants) {
  std::uint64_t above = 0;
  for (std::size_t counter = 0; counter < workload.counters.size(); ++counter) {
    std::vector<std::vector<Grant>> of_client(workload.clients);
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      const auto log = arena.log(worker).first(arena.progress(worker).lines);
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

using Run = std::uint64_t (*)(Arena&, const Options&);
struct Variant {
  std::string_view name;
  Run run;
};
constexpr Variant kVariants[] = {
    {"real", in_processes<RealHooks>},
    {"threads", in_threads},
    {"tag_and_word_apart", in_processes<TagAndWordApart>},
    {"no_pending", in_processes<NoPending>},
    {"no_horizon", in_processes<NoHorizon>},
    {"undo_by_subtraction", in_processes<UndoBySubtraction>},
};

int main(std::span<char*> given) {
  const Arguments arguments = read_arguments(given, "torture", "DECISIONS", 100'000);
  const std::vector<Workload> all = workloads();
  const Workload& workload = named(all, arguments.workload);
  const Variant& variant = named(kVariants, arguments.variant);
  const Options options{workload, arguments.count, arguments.seed};

  Arena arena(workload.geometry, options.decisions);
  const std::uint64_t deaths = variant.run(arena, options);
  std::uint64_t grants = 0;
  const std::uint64_t above = check(arena, workload, grants);
  const StoreStats stats =
      Attached<RealHooks>(arena.store(), workload, 0).core.counts(workload.geometry.capacity);
  const std::uint64_t at_steps = arena.deaths_at_steps();
  fmt::print(
      "{}, {}, seed {}: {} decisions each, {} grants, {} deaths ({} of them at steps), {} "
      "evictions, "
      "{} on shared words, {} conflicts; above the bound: {}\n",
      workload.name, variant.name, options.seed, options.decisions, grants, deaths, at_steps,
      stats.evictions, stats.overflow, stats.conflicts, above);
  const bool dies = variant.run != in_threads;
  const Aim aims[] = {{"deaths at steps", dies, at_steps},
                      {"deaths elsewhere", dies, deaths - at_steps},
                      {"evictions", workload.aims.evictions, stats.evictions},
                      {"charges on shared words", workload.aims.shared_words, stats.overflow},
                      {"conflicts", workload.aims.conflicts, stats.conflicts}};
  if (above != 0) return 1;
  return reached(aims) ? 0 : 2;
}

}  // namespace
}  // namespace tidegate::torture

int main(int argc, char** argv) {
  return tidegate::torture::main({argv, static_cast<std::size_t>(argc)});
}
