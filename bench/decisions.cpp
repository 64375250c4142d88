// One decision from a string key, hash included. `bench_decisions CONTENDER CLIENTS FOLDER` fills
// one contender with all clients and then measures whatever decisions.py orders, as the programs of
// other languages do: peers/README.md says how they talk.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/contenders.hpp"
#include "bench/measure.hpp"

namespace tidegate::bench {
namespace {

/// `now` gives the time of each decision.
template <class Contender, class Now>
std::size_t run_single(Contender& contender, const KeyStream& keys, Now now) {
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) admitted += contender.one(keys[i], now()) ? 1 : 0;
  return admitted;
}

template <class Now>
std::size_t run_batches(Table& table, const KeyStream& keys, Now now) {
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < keys.size(); i += kBatch) admitted += table.batch(keys, i, now());
  return admitted;
}

struct Order {
  std::string keys;
  unsigned threads = 0;
};

struct Arguments {
  std::string contender;
  std::uint64_t clients = 0;
  std::string folder;
};

/// Fills the contender at `time` and answers orders: `run` decides for all keys of a stream, at a
/// time that is a minute later each time, so that the buckets of the most frequent clients are full
/// again.
template <class Contender, class Run>
int serve(const Arguments& arguments, Contender& contender, Ticks time, Run&& run) {
  std::size_t clients = 0;
  for (std::uint64_t n = 0; n < arguments.clients; ++n) {
    clients += contender.one(Key(n).view(), time) ? 1 : 0;
  }
  expect_all_admitted(clients, arguments.clients);
  std::vector<KeyStream> uniform;
  std::vector<KeyStream> zipf;
  for (const char* thread : {"0", "1"}) {
    uniform.emplace_back(arguments.folder + "/uniform-" + thread);
    zipf.emplace_back(arguments.folder + "/zipf-" + thread);
  }
  fmt::print("{{\"clients\": {}}}\n", clients);
  std::fflush(stdout);

  for (Order order; std::cin >> order.keys >> order.threads;) {
    const std::vector<KeyStream>& streams = order.keys == "zipf" ? zipf : uniform;
    if (order.threads < 1 || order.threads > streams.size()) return 2;
    time += Ticks{60'000'000} * kTicksPerMicro;
    std::vector<std::size_t> admitted(order.threads);
    const double ns = measure(order.threads, streams[0].size(),
                              [&](unsigned t) { admitted[t] = run(streams[t], time); });
    for (const std::size_t each : admitted) expect_all_admitted(each, streams[0].size());
    fmt::print(
        "{{\"contender\": \"{}\", \"clients\": {}, \"keys\": \"{}\", \"threads\": {}, \"ns\": "
        "{:.2f}}}\n",
        arguments.contender, clients, order.keys, order.threads, ns);
    std::fflush(stdout);
  }
  return 0;
}

template <class Contender>
int serve_single(const Arguments& arguments, Contender&& contender) {
  return serve(arguments, contender, kStart, [&](const KeyStream& keys, Ticks time) {
    return run_single(contender, keys, [time] { return time; });
  });
}

int run(const Arguments& arguments) {
  const std::string_view contender = arguments.contender;
  if (contender == "map") return serve_single(arguments, LockedMap(arguments.clients));
  if (contender == "flat") return serve_single(arguments, ShardedFlatMap(arguments.clients));
  Table table(arguments.clients);
  if (contender == "single") return serve_single(arguments, table);
  if (contender == "batch") {
    return serve(arguments, table, kStart, [&](const KeyStream& keys, Ticks time) {
      return run_batches(table, keys, [time] { return time; });
    });
  }
  const auto clock = [&] { return table.now(); };
  if (contender == "single_clock") {
    return serve(arguments, table, clock(),
                 [&](const KeyStream& keys, Ticks) { return run_single(table, keys, clock); });
  }
  if (contender == "batch_clock") {
    return serve(arguments, table, clock(),
                 [&](const KeyStream& keys, Ticks) { return run_batches(table, keys, clock); });
  }
  fmt::print(stderr, "no such contender: {}\n", contender);
  return 2;
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: bench_decisions CONTENDER CLIENTS FOLDER\n");
    return 2;
  }
  return tidegate::bench::run({argv[1], std::strtoull(argv[2], nullptr, 10), argv[3]});
}
