// Runs a workload on one store, in processes of two threads each that are killed at random, or in
// threads of one; writes down every operation; and says for how many clients there is no order of
// their operations in which each answers what an exact reference says.
//
//   histories WORKLOAD [VARIANT [OPERATIONS [SEED]]]
//
// VARIANT is `real` (the default), `threads` (the real protocol in one process), or one that must
// be caught. OPERATIONS are each worker's. Prints a line; exits with 0 if there is an order for
// each client, 1 if not, 2 if the run itself failed or did not meet what it aims at. The history of
// a client without an order is written to history-WORKLOAD-VARIANT.txt.
#include <fmt/format.h>
#include <fmt/os.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "store/memory/store_core.hpp"
#include "tests/processes/client_model.hpp"
#include "tests/processes/history.hpp"
#include "tests/processes/hooks.hpp"
#include "tests/processes/linearize.hpp"
#include "tests/processes/workers.hpp"
#include "tests/processes/workload.hpp"

namespace tidegate::torture {
namespace {

constexpr std::size_t kThreads = 2;  // of a process

struct Options {
  const Workload& workload;
  std::uint64_t operations;
  std::uint64_t seed;
};

/// Never more keys than slots, so that nobody shares a word with another client, whose history
/// would be his too: not even in the eyes of a worker that was stopped for long, and to whom all
/// that was charged since is live. Entries are evicted all the same: a newcomer takes the first
/// that has expired.
std::vector<Workload> history_workloads() {
  using enum Algorithm;
  const auto coming_and_going = [](std::string_view name, std::uint64_t step_us,
                                   std::uint64_t max_cost, const Counter& counter) {
    return Workload{.name = name,
                    .geometry = kRoomy,
                    .clients = 40,
                    .busy_clients = 4,
                    .step_us = step_us,
                    .buckets = 8,
                    .max_cost = max_cost,
                    .resets = counter.window.algorithm != sliding_window,
                    .aims = {.evictions = true},
                    .counters = {counter}};
  };
  const auto staying = [](std::string_view name, std::uint64_t max_cost, const Counter& counter) {
    return Workload{.name = name,
                    .geometry = kRoomy,
                    .clients = 8,
                    .step_us = 60,
                    .buckets = 8,
                    .max_cost = max_cost,
                    .counters = {counter}};
  };
  std::vector<Workload> all{
      coming_and_going("token_bucket", 2, 1, counter(token_bucket, 250, 1'000, 4)),
      coming_and_going("fixed_window", 60, 2, counter(fixed_window, 5, 1'000)),
      coming_and_going("sliding_window_counter", 150, 2, counter(sliding_window_counter, 5, 1'000)),
      staying("sliding_window", 1, counter(sliding_window, 5, 1'000)),
      staying("sliding_window_costs", 3, counter(sliding_window, 8, 1'000)),
      // Where a stamp that is put back may be met: see README.md.
      coming_and_going("sliding_window_evicted", 150, 1, counter(sliding_window, 5, 1'000)),
      staying("sliding_window_strict", 1, counter(sliding_window, 5, 1'000)),
      // Everybody asks for the same few: the longest waits for an entry.
      {.name = "busy_bucket",
       .geometry = kRoomy,
       .clients = 2,
       .max_cost = 3,
       .resets = true,
       .aims = {.unanswered = true},
       .counters = {counter(token_bucket, 500, 1'000, 20)}},
      // The shorter window first in each group.
      {.name = "group",
       .geometry = kRoomy,
       .clients = 24,
       .busy_clients = 2,
       .step_us = 4,
       .whole_groups = 2,
       .buckets = 8,
       .aims = {.evictions = true, .conflicts = true},
       .counters = {counter(token_bucket, 250, 1'000, 4), counter(token_bucket, 250, 1'500, 6)}},
      {.name = "race",
       .geometry = kRoomy,
       .clients = 16,
       .whole_groups = 2,
       .buckets = 8,
       .aims = {.conflicts = true, .unanswered = true},
       .counters = {counter(token_bucket, 50, 1'000, 4), counter(token_bucket, 50, 1'200, 4)}},
      {.name = "mixed_group",
       .geometry = kRoomy,
       .clients = 8,
       .step_us = 60,
       .whole_groups = 2,
       .buckets = 8,
       .aims = {.conflicts = true},
       .counters = {counter(sliding_window, 5, 1'000), counter(fixed_window, 8, 2'000)}},
  };
  for (Workload& workload : all) {
    number(workload.counters);
    workload.strict_logs = workload.name == "sliding_window_strict";
  }
  return all;
}

/// Calls the store for a record that says what to call.
template <class Hooks, bool Stale>
void call(Record& record, const Workload& workload, StoreCore<Hooks>& core) {
  std::array<Charge, Record::kMaxCharges> charges;
  for (std::size_t i = 0; i < record.charges; ++i) {
    charges[i] = {&workload.counters[record.first + i],
                  client_hash(record.client, workload.buckets), record.cost};
  }
  switch (record.call) {
    case Call::peek:
      record.verdicts[0] = core.peek(charges[0], record.now);
      return;
    case Call::reset:
      record.was_reset = core.reset(charges[0], record.now);
      return;
    case Call::decide:
      break;
  }
  if (record.charges > 1) {
    core.decide_group({charges.data(), record.charges}, record.now, record.verdicts.data());
    return;
  }
  const Quota before = Stale ? core.peek(charges[0], record.now).quota : Quota{};
  core.decide(charges[0], record.now, record.verdicts[0]);
  // What a store would tell that looks first and takes then.
  if (Stale && record.verdicts[0].admitted) {
    record.verdicts[0].quota.remaining =
        before.remaining - std::min<std::uint64_t>(before.remaining, record.cost);
  }
}

/// One worker's operations, from where the one it replaces has stopped.
template <class Hooks, bool Stale>
void work(History& history, const Workload& workload, std::size_t worker, StoreCore<Hooks>& core,
          std::uint64_t operations) {
  HorizonWatch::begin(history);
  auto& random = disturbance.random;
  std::atomic<Moment>& moment = history.more().moment;
  for (;;) {
    const std::uint64_t at = history.progress(worker).decisions.fetch_add(1);
    if (at >= operations) return;
    Record& record = *new (&history.log(worker)[at]) Record;
    const Ticks step = workload.step_us * kTicksPerMicro;
    record.now = history.clock().fetch_add(random() % (2 * workload.step_us + 1) * kTicksPerMicro);
    // Now and then a clock that is late.
    if (disturbance.chance(8)) record.now -= random() % 10 * step;
    const bool busy = workload.busy_clients != 0 && disturbance.chance(2);
    record.client =
        static_cast<std::uint32_t>(random() % (busy ? workload.busy_clients : workload.clients));
    record.first = static_cast<std::uint8_t>(random() % workload.counters.size());
    if (disturbance.chance(8)) {
      record.call = Call::peek;
    } else if (workload.resets && disturbance.chance(32)) {
      record.call = Call::reset;
    } else {
      record.cost =
          static_cast<std::uint8_t>(disturbance.chance(16) ? 0 : 1 + random() % workload.max_cost);
      if (workload.whole_groups != 0 && disturbance.chance(workload.whole_groups)) {
        record.first = 0;
        record.charges = static_cast<std::uint8_t>(workload.counters.size());
      }
    }
    record.horizon_before = HorizonWatch::look();
    __atomic_store_n(&record.called, moment.fetch_add(1) + 1, __ATOMIC_RELEASE);
    call<Hooks, Stale>(record, workload, core);
    Hooks::step();  // to die with the work done and nothing said
    record.horizon_after = HorizonWatch::look();
    __atomic_store_n(&record.answered, moment.fetch_add(1) + 1, __ATOMIC_RELEASE);
  }
}

template <class Hooks, bool Stale = false>
std::uint64_t in_processes(History& history, const Options& options) {
  const auto run = [&](std::size_t process, std::uint64_t number) {
    Attached<Hooks> store(history.store(), options.workload, number);
    run_threads(kThreads, [&](std::size_t thread) {
      disturb(options.seed + number * kThreads + thread, &history.deaths_at_steps());
      work<Hooks, Stale>(history, options.workload, process * kThreads + thread, store.core,
                         options.operations);
    });
  };
  return run_processes(kWorkers / kThreads, options.seed, run);
}

/// For ThreadSanitizer, which sees nothing between processes.
std::uint64_t in_threads(History& history, const Options& options) {
  Attached<RealHooks> store(history.store(), options.workload, 0);
  run_threads(kWorkers, [&](std::size_t thread) {
    disturb(options.seed + thread, nullptr);
    work<RealHooks, false>(history, options.workload, thread, store.core, options.operations);
  });
  return 0;
}

reference::Answer answer_of(const Verdict& verdict) {
  const Quota& quota = verdict.quota;
  return {verdict.admitted, quota.remaining, quota.reset_us, quota.retry_after_us,
          quota.more_after_us};
}

/// What a record does, window by window.
void append_steps(const Record& record, Moment to, std::vector<Step>& steps) {
  const bool pending = record.answered == 0;
  if (pending && (record.call == Call::peek || (record.call == Call::decide && record.cost == 0))) {
    return;
  }
  const bool admitted =
      std::all_of(record.verdicts.begin(), record.verdicts.begin() + record.charges,
                  [](const Verdict& verdict) { return verdict.admitted; });
  for (std::uint8_t i = 0; i < record.charges; ++i) {
    const Verdict& verdict = record.verdicts[i];
    const auto does = [&] {
      if (record.call == Call::reset)
        return pending || record.was_reset ? Does::forget : Does::miss;
      if (record.call == Call::peek || record.cost == 0) return Does::look;
      if (pending || admitted) return Does::take;
      return verdict.admitted ? Does::fit : Does::refuse;
    };
    steps.push_back({.record = &record,
                     .from = record.called,
                     .to = to,
                     .does = does(),
                     .counter = static_cast<std::uint8_t>(record.first + i),
                     .number = i,
                     .pending = pending,
                     .answer = answer_of(verdict)});
  }
}

struct Tally {
  std::uint64_t operations = 0;
  std::uint64_t pending = 0;
  std::uint64_t loose = 0;
};

/// What a log refuses or tells is put together from stamps that are read one after the other. Where
/// another operation of the client came in between it is of no one moment, and only what was
/// admitted is checked.
void loosen(Steps& steps, const std::vector<Counter>& counters, Tally& tally) {
  std::vector<Step*> all;
  for (auto& row : steps) {
    for (Step& step : row) {
      if (counters[step.counter].window.algorithm == Algorithm::sliding_window) {
        all.push_back(&step);
      }
    }
  }
  std::ranges::sort(all, {}, &Step::from);
  std::vector<Step*> open;
  for (Step* const step : all) {
    std::erase_if(open, [&](const Step* other) { return other->to < step->from; });
    for (Step* const other : open) other->loose = step->loose = true;
    open.push_back(step);
  }
  tally.loose += static_cast<std::uint64_t>(std::ranges::count(all, true, &Step::loose));
}

/// The steps of each client. Whoever was killed had ended before the next one began in its place.
std::vector<Steps> steps_of_clients(History& history, const Options& options, Tally& tally) {
  std::vector<Steps> clients(options.workload.clients);
  const std::array<Ticks, kHorizons> last_horizons = HorizonWatch::look();
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    const auto log = history.log(worker);
    const Record* next = nullptr;
    for (std::uint64_t at = options.operations; at-- > 0;) {
      Record& record = log[at];
      if (record.called == 0) continue;
      ++tally.operations;
      if (record.answered == 0) {
        ++tally.pending;
        record.horizon_after = next != nullptr ? next->horizon_before : last_horizons;
      }
      next = &record;
    }
    for (std::uint64_t at = 0; at < options.operations; ++at) {
      const Record& record = log[at];
      if (record.called == 0) continue;
      Moment to = record.answered;
      for (std::uint64_t later = at + 1; to == 0 && later < options.operations; ++later) {
        to = log[later].called;
      }
      if (to == 0) to = std::numeric_limits<Moment>::max();
      append_steps(record, to, clients[record.client][worker]);
    }
  }
  if (options.workload.strict_logs) return clients;
  for (Steps& steps : clients) loosen(steps, options.workload.counters, tally);
  return clients;
}

std::string text_of(const Record& record) {
  const Ticks now = record.now;
  const auto horizon = [&](const std::array<Ticks, kHorizons>& values) {
    return fmt::format("{}/{}", values[of_table], values[of_rings]);
  };
  std::string text = fmt::format("now {} us, counter {}", now / kTicksPerMicro, record.first);
  if (record.charges > 1) text += fmt::format(" to {}", record.first + record.charges - 1);
  switch (record.call) {
    case Call::peek:
      text += ", peek";
      break;
    case Call::reset:
      text += ", reset";
      break;
    case Call::decide:
      text += fmt::format(", cost {}", record.cost);
      break;
  }
  if (record.answered == 0) return text + ": killed";
  if (record.call == Call::reset) return text + (record.was_reset ? ": forgotten" : ": nothing");
  for (std::size_t i = 0; i < record.charges; ++i) {
    const Quota& quota = record.verdicts[i].quota;
    text += fmt::format(": {}, remaining {}, reset {}, retry {}, more {}",
                        record.verdicts[i].admitted ? "admitted" : "refused", quota.remaining,
                        quota.reset_us, quota.retry_after_us, quota.more_after_us);
  }
  return text + fmt::format(" (horizons {} to {})", horizon(record.horizon_before),
                            horizon(record.horizon_after));
}

/// Writes down the history of a client that has no order.
void write_history(const std::string& path, const std::string& about, const Steps& steps,
                   const Search& search) {
  struct Line {
    Moment called;
    std::string text;
  };
  std::vector<Line> lines;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    const Record* before = nullptr;
    for (std::size_t at = 0; at < steps[worker].size(); ++at) {
      const Record& record = *steps[worker][at].record;
      if (&record == before) continue;
      before = &record;
      const char* const mark = at < search.furthest[worker]    ? " "
                               : at == search.furthest[worker] ? ">"
                                                               : "-";
      lines.push_back(
          {record.called, fmt::format("{} {:>8} to {:>8}, worker {}: {}", mark, record.called,
                                      record.answered, worker, text_of(record))});
    }
  }
  std::ranges::sort(lines, {}, &Line::called);
  fmt::ostream out = fmt::output_file(path);
  out.print(
      "{}\n'>' is the next operation of each worker where the order that came furthest ends, "
      "'-' what comes after it.\n\n",
      about);
  for (const Line& line : lines) out.print("{}\n", line.text);
}

using Run = std::uint64_t (*)(History&, const Options&);
struct Variant {
  std::string_view name;
  Run run;
};
constexpr Variant kVariants[] = {
    {"real", in_processes<RealHooks>},
    {"threads", in_threads},
    {"stale_remaining", in_processes<RealHooks, true>},
    {"lost_update", in_processes<LostUpdate>},
    {"tag_and_word_apart", in_processes<TagAndWordApart>},
    {"no_pending", in_processes<NoPending>},
    {"no_horizon", in_processes<NoHorizon>},
    {"undo_by_subtraction", in_processes<UndoBySubtraction>},
};

int main(std::span<char*> given) {
  const Arguments arguments = read_arguments(given, "histories", "OPERATIONS", 20'000);
  const std::vector<Workload> all = history_workloads();
  const Workload& workload = named(all, arguments.workload);
  const Variant& variant = named(kVariants, arguments.variant);
  const Options options{workload, arguments.count, arguments.seed};

  History history(workload.geometry, options.operations);
  history.clock().store(kLatest / 2 / kTicksPerMicro * kTicksPerMicro);
  const std::uint64_t deaths = variant.run(history, options);
  HorizonWatch::begin(history);
  const StoreStats stats =
      Attached<RealHooks>(history.store(), workload, 0).core.counts(workload.geometry.capacity);

  if (stats.overflow != 0) {
    fmt::print("not checked, seed {}: {} charges on shared words mix the histories of clients\n",
               options.seed, stats.overflow);
    return 2;
  }

  Tally tally;
  const std::vector<Steps> clients = steps_of_clients(history, options, tally);
  std::array<std::vector<Ticks>, kHorizons> horizons;
  for (std::size_t i = 0; i < kHorizons; ++i) {
    const HorizonsSeen& seen = history.more().horizons[i];
    if (seen.count > HorizonsSeen::kMost) {
      fmt::print(stderr, "histories: too many horizons\n");
      return 2;
    }
    horizons[i].assign(seen.values.begin(),
                       seen.values.begin() + static_cast<std::ptrdiff_t>(seen.count.load()));
    horizons[i].push_back(0);  // before the first eviction
    std::ranges::sort(horizons[i]);
    const auto twice = std::ranges::unique(horizons[i]);
    horizons[i].erase(twice.begin(), twice.end());
  }

  const std::string about =
      fmt::format("{}, {}, seed {}", workload.name, variant.name, options.seed);
  const ClientModel model(workload.counters, horizons, stats.conflicts);
  std::uint64_t without_order = 0;
  std::uint64_t given_up = 0;
  std::uint64_t took = 0;
  std::uint64_t visited = 0;
  for (std::size_t client = 0; client < clients.size(); ++client) {
    const Search search = Linearizer(model, clients[client]).run();
    took += search.took;
    visited += search.visited;
    if (search.result == Search::Result::found) continue;
    ++(search.result == Search::Result::none ? without_order : given_up);
    if (without_order + given_up != 1) continue;
    write_history(fmt::format("history-{}-{}.txt", workload.name, variant.name),
                  fmt::format("{}, client {}", about, client), clients[client], search);
  }
  const std::uint64_t at_steps = history.deaths_at_steps();
  fmt::print(
      "{}: {} operations, {} deaths ({} of them at steps), {} pending of which {} took effect, {} "
      "answers of logs left out, {} evictions, {} conflicts; {} states visited, "
      "{} clients given up; not linearizable: {} clients of {}\n",
      about, tally.operations, deaths, at_steps, tally.pending, took, tally.loose, stats.evictions,
      stats.conflicts, visited, given_up, without_order, clients.size());
  if (without_order != 0) return 1;
  const bool dies = variant.run != in_threads;
  const Aim aims[] = {
      {"deaths at steps", dies, at_steps},
      {"deaths elsewhere", dies, deaths - at_steps},
      {"pending operations", dies, tally.pending},
      {"pending operations that took effect", dies && workload.aims.unanswered, took},
      {"evictions", workload.aims.evictions, stats.evictions},
      {"conflicts", workload.aims.conflicts, stats.conflicts}};
  if (given_up != 0) {
    fmt::print("not checked: {} clients given up\n", given_up);
    return 2;
  }
  return reached(aims) ? 0 : 2;
}

}  // namespace
}  // namespace tidegate::torture

int main(int argc, char** argv) {
  return tidegate::torture::main({argv, static_cast<std::size_t>(argc)});
}
