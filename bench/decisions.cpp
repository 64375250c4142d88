// One decision from a string key, hash included: tidegate's table against maps under mutexes. Each
// contender is filled with all clients first; then five rounds, the contenders in turn within a
// round, and the median of each is told. Absolute times mean nothing on a shared machine: read the
// ratios.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/contenders.hpp"

namespace tidegate::bench {
namespace {

constexpr int kRounds = 5;
constexpr Ticks kStart = Ticks{1'800'000'000'000'000} * kTicksPerMicro;

template <class Work>
double seconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs `work(thread)` on `threads` threads and returns nanoseconds of wall time per decision made
/// by all of them together.
template <class Work>
double measure(unsigned threads, std::size_t decisions_each, Work&& work) {
  const double seconds = seconds_of([&] {
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back([&work, t] { work(t); });
    work(0);
    for (std::thread& other : others) other.join();
  });
  return seconds * 1e9 / static_cast<double>(decisions_each * threads);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

[[noreturn]] void refuse(std::string_view contender) {
  fmt::print(stderr, "{}: a decision was denied that all should admit\n", contender);
  std::exit(1);
}

template <class Contender>
void run_single(Contender& contender, const KeyStream& keys, Ticks now) {
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) admitted += contender.one(keys[i], now) ? 1 : 0;
  if (admitted != keys.size()) refuse("single");
}

void run_batches(Table& table, const KeyStream& keys, Ticks now) {
  std::size_t admitted = 0;
  for (std::size_t i = 0; i + kBatch <= keys.size(); i += kBatch) {
    admitted += table.batch(keys, i, now);
  }
  if (admitted != keys.size() / kBatch * kBatch) refuse("batch");
}

struct Row {
  std::string name;
  std::vector<double> single = {};
  std::vector<double> batch = {};
  std::vector<double> map = {};
  std::vector<double> flat = {};
};

void print_row(const Row& row) {
  const double single = median(row.single);
  const double batch = median(row.batch);
  const double map = median(row.map);
  const double flat = median(row.flat);
  fmt::print(
      "| {:<22} | {:6.0f} | {:6.0f} | {:6.0f} | {:6.0f} | {:5.1f}x | {:5.1f}x | {:5.1f}x | "
      "{:5.1f}x |\n",
      row.name, single, batch, map, flat, map / single, map / batch, flat / single, flat / batch);
  std::fflush(stdout);
}

void compare(std::uint64_t clients, std::size_t calls) {
  Table table(clients);
  LockedMap map(clients);
  ShardedFlatMap flat(clients);
  for (std::uint64_t n = 0; n < clients; ++n) {
    const Key key(n);
    table.one(key.view(), kStart);
    map.one(key.view(), kStart);
    flat.one(key.view(), kStart);
  }

  Ticks now = kStart;
  for (const bool zipf : {false, true}) {
    std::vector<KeyStream> streams;
    for (unsigned t = 0; t < 2; ++t) {
      std::mt19937_64 random(42 + t);
      Zipf draw_zipf(clients, 0.99);
      std::uniform_int_distribution<std::uint64_t> draw_uniform(0, clients - 1);
      streams.emplace_back(calls, [&] { return zipf ? draw_zipf(random) : draw_uniform(random); });
    }
    for (const unsigned threads : {1U, 2U}) {
      Row row{.name = fmt::format("{} {} {}t",
                                  clients >= 1'000'000 ? fmt::format("{}M", clients / 1'000'000)
                                                       : fmt::format("{}k", clients / 1'000),
                                  zipf ? "zipf 0.99" : "uniform", threads)};
      for (int round = 0; round < kRounds; ++round) {
        // A later time each run: the buckets of the most frequent clients are full again.
        const auto next = [&] { return now += Ticks{60'000'000} * kTicksPerMicro; };
        const auto single = [&](auto& contender) {
          const Ticks time = next();
          return measure(threads, calls,
                         [&](unsigned t) { run_single(contender, streams[t], time); });
        };
        row.single.push_back(single(table));
        const Ticks time = next();
        row.batch.push_back(
            measure(threads, calls, [&](unsigned t) { run_batches(table, streams[t], time); }));
        row.map.push_back(single(map));
        row.flat.push_back(single(flat));
      }
      print_row(row);
    }
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  const std::size_t calls = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  fmt::print(
      "ns per decision (wall time / decisions of all threads), medians of {} rounds of {} "
      "calls\n\n",
      tidegate::bench::kRounds, calls);
  fmt::print(
      "| clients                | single | batch  | map    | flat   | map /  | map /  | flat / | "
      "flat / |\n"
      "|                        |        | of 16  | +mutex | 64 sh. | single | batch  | single | "
      "batch  |\n"
      "|------------------------|--------|--------|--------|--------|--------|--------|--------|---"
      "-----|\n");
  for (const std::uint64_t clients : {10'000ULL, 1'000'000ULL, 10'000'000ULL}) {
    tidegate::bench::compare(clients, calls);
  }
  return 0;
}
