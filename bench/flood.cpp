// What a flood of invented clients costs: known clients are asked for steadily, then millions of
// keys that nobody has seen. Once with entries that expire at once, so that every newcomer takes
// over an expired one; once with entries that stay, so that the table fills and the rest shares
// the overflow entries.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "bench/table.hpp"
#include "core/test_allocations.hpp"

namespace tidegate::bench {
namespace {

/// The default capacity, half of it in use.
constexpr std::uint64_t kCapacity = 1'000'000;
constexpr std::uint64_t kLive = 500'000;
/// Keys are made a chunk at a time, while no clock runs.
constexpr std::size_t kChunk = 500'000;

/// Steady requests and flood take turns, so that what else the machine does meets both.
constexpr std::size_t kTurn = 2'000'000;

// The counters: that of the known clients, whose entries outlive the flood; and of the flood one
// whose entries stay while the clock stands, and one whose entries expire a microsecond later.
constexpr std::size_t kKnown = 0;
constexpr std::size_t kStays = 1;
constexpr std::size_t kExpires = 2;

/// What one run over many decisions took.
struct Cost {
  double ns = 0;  ///< of all decisions
  std::size_t allocations = 0;
  std::vector<float> sixteens = {};  ///< ns of each sixteen decisions, in their order

  void append(const Cost& more) {
    ns += more.ns;
    allocations += more.allocations;
    sixteens.insert(sixteens.end(), more.sixteens.begin(), more.sixteens.end());
  }
};

/// Sixteen decisions, one by one or as a batch. Returns how many were admitted.
std::size_t sixteen(Table& table, bool batch, const KeyStream& keys, std::size_t first, Ticks now,
                    std::size_t counter) {
  if (batch) return table.batch(keys, first, now, counter);
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < kBatch; ++i) {
    admitted += table.one(keys[first + i], now, counter) ? 1 : 0;
  }
  return admitted;
}

/// Decides for keys that `draw` gives, `decisions` of them, `apart` ticks apart.
template <class Draw>
Cost run(Table& table, bool batch, std::size_t counter, Ticks& now, Ticks apart,
         std::size_t decisions, Draw&& draw) {
  Cost cost;
  cost.sixteens.reserve(decisions / kBatch);
  std::size_t admitted = 0;
  for (std::size_t done = 0; done < decisions; done += kChunk) {
    const KeyStream keys(kChunk, draw);
    const std::size_t allocated = allocations;
    auto last = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < kChunk; i += kBatch) {
      now += kBatch * apart;
      admitted += sixteen(table, batch, keys, i, now, counter);
      const auto next = std::chrono::steady_clock::now();
      const double ns = std::chrono::duration<double, std::nano>(next - last).count();
      cost.sixteens.push_back(static_cast<float>(ns));
      cost.ns += ns;
      last = next;
    }
    cost.allocations += allocations - allocated;
  }
  expect_all_admitted(admitted, decisions);
  return cost;
}

/// The same run several times. On a shared machine any sixteen decisions may be interrupted for
/// milliseconds; the longest that was as long each time is what the table is to blame for.
class Costs {
 public:
  void add(const Cost& cost) {
    const auto decisions = static_cast<double>(cost.sixteens.size() * kBatch);
    ns_.push_back(cost.ns / decisions);
    allocations_ += cost.allocations;
    least_.resize(cost.sixteens.size(), std::numeric_limits<float>::max());
    for (std::size_t i = 0; i < least_.size(); ++i) {
      worst_ns_ = std::max(worst_ns_, cost.sixteens[i]);
      least_[i] = std::min(least_[i], cost.sixteens[i]);
    }
  }
  [[nodiscard]] std::string json() const {
    return fmt::format(
        "{{\"ns\": {:.2f}, \"worst_us\": {:.1f}, \"worst_each_time_us\": {:.1f}, "
        "\"allocations\": {}}}",
        median(ns_), worst_ns_ / 1e3, *std::max_element(least_.begin(), least_.end()) / 1e3,
        allocations_);
  }

 private:
  std::vector<double> ns_;
  std::size_t allocations_ = 0;
  float worst_ns_ = 0;
  std::vector<float> least_;
};

void compare(bool batch, bool fills, std::size_t decisions) {
  constexpr int kRounds = 3;
  Costs steady;
  Costs flood;
  for (int round = 0; round < kRounds; ++round) {
    Table table(kCapacity, {bucket_of(100, std::chrono::hours(1)),
                            bucket_of(1'000'000, std::chrono::hours(1)), bucket()});
    std::mt19937_64 random(42);
    std::uniform_int_distribution<std::uint64_t> uniform(0, kLive - 1);
    std::uint64_t client = 0;
    const auto known = [&] { return uniform(random); };
    const auto unseen = [&] { return client++; };

    Ticks now = kStart;
    run(table, true, kKnown, now, 0, kLive, unseen);
    Cost steadily;
    Cost flooding;
    for (std::size_t done = 0; done < decisions; done += kTurn) {
      run(table, batch, kKnown, now, 0, kChunk, known);  // what the flood has put out of the cache
      steadily.append(run(table, batch, kKnown, now, 0, kTurn, known));
      flooding.append(run(table, batch, fills ? kStays : kExpires, now, fills ? 0 : kTicksPerMicro,
                          kTurn, unseen));
    }
    steady.add(steadily);
    flood.add(flooding);

    const StoreStats stats = table.stats(kStart);
    if ((fills ? stats.overflow : stats.evictions) < decisions / 4) {
      fail(fills ? "the table was not filled" : "the table had nothing to take over");
    }
  }
  fmt::print("{{\"fills\": {}, \"way\": \"{}\", \"unseen\": {}, \"steady\": {}, \"flood\": {}}}\n",
             fills, batch ? "batch" : "single", decisions, steady.json(), flood.json());
}

}  // namespace
}  // namespace tidegate::bench

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  for (const bool fills : {false, true}) {
    for (const bool batch : {false, true}) {
      tidegate::bench::compare(batch, fills, quick ? 4'000'000 : 20'000'000);
    }
  }
  return 0;
}
