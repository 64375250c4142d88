// What a further window costs: requests with one, two and three windows, each request one group.
// All clients have entries under all windows, so the table is the same for every measurement.
#include <fmt/format.h>

#include <array>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/measure.hpp"
#include "bench/table.hpp"

namespace tidegate::bench {
namespace {

constexpr std::size_t kMostWindows = 3;
constexpr int kRounds = 5;

template <std::size_t Windows>
double single_ns(Table& table, const KeyStream& keys, Ticks now) {
  std::size_t admitted = 0;
  const double spent = nanoseconds_of([&] {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      admitted += table.one<Windows>(keys[i], now) ? 1 : 0;
    }
  });
  expect_all_admitted(admitted, keys.size());
  return spent / static_cast<double>(keys.size());
}

template <std::size_t Windows>
double batch_ns(Table& table, const KeyStream& keys, Ticks now) {
  std::size_t admitted = 0;
  const double spent = nanoseconds_of([&] {
    for (std::size_t i = 0; i < keys.size(); i += kBatch) {
      admitted += table.batch<Windows>(keys, i, now);
    }
  });
  expect_all_admitted(admitted, keys.size());
  return spent / static_cast<double>(keys.size());
}

void compare(std::uint64_t clients, std::size_t calls) {
  Table table(kMostWindows * clients, {bucket(), bucket_of(60'000'000, std::chrono::minutes(1)),
                                       bucket_of(900'000'000, std::chrono::minutes(15))});
  std::uint64_t next = 0;
  const KeyStream all(clients, [&] { return next++; });
  batch_ns<kMostWindows>(table, all, kStart);
  std::mt19937_64 random(42);
  std::uniform_int_distribution<std::uint64_t> uniform(0, clients - 1);
  const KeyStream keys(calls, [&] { return uniform(random); });

  Ticks now = kStart;
  std::array<std::array<std::vector<double>, kMostWindows>, 2> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto later = [&] { return now += Ticks{60'000'000} * kTicksPerMicro; };
    [&]<std::size_t... W>(std::index_sequence<W...>) {
      (rounds[0][W].push_back(single_ns<W + 1>(table, keys, later())), ...);
      (rounds[1][W].push_back(batch_ns<W + 1>(table, keys, later())), ...);
    }(std::make_index_sequence<kMostWindows>{});
  }
  for (const std::size_t way : {0U, 1U}) {
    for (std::size_t windows = 1; windows <= kMostWindows; ++windows) {
      fmt::print("{{\"way\": \"{}\", \"windows\": {}, \"clients\": {}, \"ns\": {:.2f}}}\n",
                 way == 0 ? "single" : "batch", windows, clients, median(rounds[way][windows - 1]));
    }
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  tidegate::bench::compare(quick ? 100'000 : 10'000'000, quick ? 100'000 : 1'000'000);
  return 0;
}
