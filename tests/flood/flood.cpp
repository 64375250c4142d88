// Floods a store with invented clients, and says whether a live one was forgotten or counted twice,
// whether an invented one got more than its bound, and whether memory grew.
//
//   flood [--invented N] [--capacity N] [--seed N]
//
// Time is simulated: ten invented clients arrive in a microsecond. In the first half of the flood
// their entries live so short that all have room; in the second so long that the table overflows.
// Prints a line for each round. Exits with 0 if all was right, 1 if not, 2 if the run itself
// failed.
#include <fmt/format.h>
#include <sys/mman.h>

#include <array>
#include <chrono>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "core/test_allocations.hpp"
#include "store/memory/store.hpp"
#include "tests/flood/live_clients.hpp"
#include "tests/flood/resources.hpp"

namespace tidegate::flood {
namespace {

constexpr std::uint64_t kRounds = 10;  // even: half of them without room
constexpr bool has_room(std::uint64_t round) { return round <= kRounds / 2; }
constexpr std::uint64_t kBatch = 16;
constexpr Ticks kArrival = kTicksPerMicro / 10;
/// Early in a window of LiveClients, which the flood does not outlast.
constexpr Micros kStart_us = 1'800'000'000'000'000;

struct Options {
  std::uint64_t invented = 1'000'000;
  std::uint64_t capacity = 1'000'000;
  std::uint64_t seed = std::random_device()();
};

struct Findings {
  std::uint64_t wrong_answers = 0;      ///< to live clients
  std::uint64_t above_bound = 0;        ///< invented clients that were admitted twice
  std::uint64_t refused_newcomers = 0;  ///< at their first request
};

class Flood {
 public:
  explicit Flood(const Options& options)
      : options_(options),
        live_(options.capacity * 2 / 5, kRounds),
        second_after_(options.capacity / 10 / kBatch * kBatch),
        admitted_(second_after_),
        geometry_{.capacity = options.capacity, .log_slots = 0},
        size_(MemoryStore::bytes_needed(geometry_)) {
    void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    memory_ = {static_cast<std::byte*>(mapped), size_};
    MemoryStore::format(memory_, geometry_);
    store_ = MemoryStore::attach(memory_, geometry_).value();
    make_counters();
  }
  ~Flood() { munmap(memory_.data(), size_); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  /// True if all was right.
  bool run();

 private:
  void make_counters();
  void charge_live();
  void check_live(std::uint64_t round, Findings& findings);
  void invent(std::uint64_t count, const Counter& counter, Findings& findings);
  [[nodiscard]] bool newcomers_find_room_again();
  [[nodiscard]] std::uint64_t most_grown_kb() const;

  [[nodiscard]] Hash128 hash(char kind, std::uint64_t number) const {
    return siphash128({options_.seed, static_cast<std::uint64_t>(kind)},
                      {reinterpret_cast<const char*>(&number), sizeof number});
  }
  [[nodiscard]] reference::Answer ask_live(std::uint64_t client, std::uint64_t cost) {
    const Charge charge{&counters_[client % LiveClients::kCounters], hash('l', client), cost};
    Verdict verdict;
    store_->apply({&charge, 1}, ticks_from_micros(now_us()), {&verdict, 1});
    const Quota& quota = verdict.quota;
    return {verdict.admitted, quota.remaining, quota.reset_us, quota.retry_after_us,
            quota.more_after_us};
  }
  [[nodiscard]] Micros now_us() const { return now_ / kTicksPerMicro; }

  const Counter& short_lived() const { return counters_[LiveClients::kCounters]; }
  const Counter& long_lived() const { return counters_[LiveClients::kCounters + 1]; }

  Options options_;
  LiveClients live_;
  std::uint64_t second_after_;  ///< how many others come between an invented one's two requests
  std::vector<bool> admitted_;  ///< whether the last of them were at their first
  StoreGeometry geometry_;
  std::size_t size_;
  std::span<std::byte> memory_;
  std::unique_ptr<MemoryStore> store_;
  std::array<Counter, LiveClients::kCounters + 2> counters_;
  std::array<Micros, kRounds> round_us_{};
  std::array<std::uint64_t, kRounds> resident_kb_{};
  std::uint64_t next_ = 0;  ///< the next invented client
  Ticks now_ = kStart_us * kTicksPerMicro;
};

void Flood::make_counters() {
  using std::chrono::microseconds;
  const WindowConfig live{
      .limit = LiveClients::kLimit, .window = microseconds(LiveClients::kWindow_us), .burst = {}};
  counters_[0].window = make_window(Algorithm::token_bucket, live);
  counters_[1].window = make_window(Algorithm::fixed_window, live);
  counters_[2].window = make_window(Algorithm::sliding_window_counter, live);
  // One request each: entries that fill a fifth of the capacity at once, or ten times all of it.
  const auto one_in = [](std::uint64_t us) {
    return make_window(Algorithm::token_bucket,
                       {.limit = 1, .window = microseconds(us), .burst = 1});
  };
  counters_[3].window = one_in(options_.capacity / 5 / 10);
  counters_[4].window = one_in(options_.capacity * 10 / 10);

  std::array<Counter*, std::tuple_size_v<decltype(counters_)>> all{};
  for (std::uint32_t i = 0; i < counters_.size(); ++i) {
    counters_[i].key = hash('c', i);
    counters_[i].overflow_count = kMaxOverflowPerWindow;
    all[i] = &counters_[i];
  }
  if (const auto bound = store_->bind(all, 0, true); !bound) throw std::bad_alloc();
}

void Flood::charge_live() {
  for (std::uint64_t client = 0; client < live_.count(); ++client) {
    for (std::uint64_t i = 0; i < LiveClients::charges_before(client); ++i) {
      (void)ask_live(client, 1);
    }
  }
}

void Flood::check_live(std::uint64_t round, Findings& findings) {
  now_ = ticks_from_micros(now_us());
  round_us_[round] = now_us();
  for (std::uint64_t client = 0; client < live_.count(); ++client) {
    const std::uint64_t cost = live_.asks_in(client, round) ? 1 : 0;
    const reference::Answer right = live_.right_answer(
        client, kStart_us, round, cost, [this](std::uint64_t past) { return round_us_[past]; });
    if (ask_live(client, cost) != right) ++findings.wrong_answers;
  }
}

/// `count` clients come for the first time, and as many that came before for the second.
void Flood::invent(std::uint64_t count, const Counter& counter, Findings& findings) {
  std::array<Charge, 2 * kBatch> charges;
  std::array<std::uint32_t, 2 * kBatch> ends;
  std::array<Verdict, 2 * kBatch> verdicts;
  for (std::uint32_t i = 0; i < ends.size(); ++i) ends[i] = i + 1;

  const std::uint64_t first = next_;
  for (const std::uint64_t end = next_ + count; next_ < end; next_ += kBatch) {
    const bool seconds = next_ >= first + second_after_;
    const std::uint64_t asked = seconds ? 2 * kBatch : kBatch;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      charges[i] = {&counter, hash('i', next_ + i)};
      if (seconds) charges[kBatch + i] = {&counter, hash('i', next_ + i - second_after_)};
    }
    store_->apply(std::span(charges).first(asked), std::span(ends).first(asked), now_, verdicts);
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      auto before = admitted_[(next_ + i) % second_after_];
      if (seconds && before && verdicts[kBatch + i].admitted) ++findings.above_bound;
      before = verdicts[i].admitted;
      if (!verdicts[i].admitted) ++findings.refused_newcomers;
    }
    now_ += kBatch * kArrival;
  }
}

/// When what overflowed is past, whoever comes first is let in.
bool Flood::newcomers_find_room_again() {
  now_ += 3 * long_lived().window.window;
  Findings findings;
  invent(options_.capacity / 10 / kBatch * kBatch, long_lived(), findings);
  return findings.refused_newcomers == 0;
}

/// How much memory was taken in any round but the first of each half: that one is the first to use
/// some of the program.
std::uint64_t Flood::most_grown_kb() const {
  std::uint64_t most = 0;
  for (std::uint64_t round = 2; round < kRounds; ++round) {
    if (has_room(round) != has_room(round - 1)) continue;
    const std::uint64_t before = resident_kb_[round - 1];
    most = std::max(most, resident_kb_[round] - std::min(before, resident_kb_[round]));
  }
  return most;
}

bool Flood::run() {
  fmt::print("{} live clients, {} entries, seed {}\n", live_.count(), options_.capacity,
             options_.seed);
  charge_live();
  Findings all;
  check_live(0, all);
  bool right = true;
  std::uint64_t allocated = 0;
  const std::uint64_t a_round = options_.invented / (kRounds - 1) / kBatch * kBatch + kBatch;
  for (std::uint64_t round = 1; round < kRounds; ++round) {
    const bool room = has_room(round);
    const StoreStats before = store_->stats(now_);
    const std::uint64_t allocations_before = allocations;
    Findings here;
    invent(a_round, room ? short_lived() : long_lived(), here);
    allocated += allocations - allocations_before;
    check_live(round, here);
    resident_kb_[round] = resident_kb();

    const StoreStats after = store_->stats(now_);
    const std::uint64_t evictions = after.evictions - before.evictions;
    const std::uint64_t shared = after.overflow - before.overflow;
    fmt::print(
        "round {}, {}: {} invented, {} refused at once, {} entries live, {} evictions, {} on "
        "shared words, {} kB resident; above the bound {}, live clients wrong {}\n",
        round, room ? "with room" : "overflowing", a_round, here.refused_newcomers, after.entries,
        evictions, shared, resident_kb_[round], here.above_bound, here.wrong_answers);
    // Below capacity one newcomer in a million may find no room.
    right = right && evictions > 0 &&
            (room ? here.refused_newcomers + shared <= a_round / 1'000'000
                  : here.refused_newcomers > 0 && shared > 0);
    all.above_bound += here.above_bound;
    all.wrong_answers += here.wrong_answers;
  }
  const bool room_again = newcomers_find_room_again();
  fmt::print(
      "{} invented: live clients wrong {}, above the bound {}, room as foreseen {}, room again "
      "afterwards {}, most grown in a round {} kB, {} allocations while deciding\n",
      next_, all.wrong_answers, all.above_bound, right, room_again, most_grown_kb(), allocated);
  constexpr std::uint64_t kTwoPages_kb = 8;
  return right && all.wrong_answers == 0 && all.above_bound == 0 && room_again && allocated == 0 &&
         resident_kb_.back() != 0 && most_grown_kb() <= kTwoPages_kb;
}

int main(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    const std::string_view text = i + 1 < arguments.size() ? arguments[i + 1] : "";
    std::uint64_t* const value = name == "--invented"   ? &options.invented
                                 : name == "--capacity" ? &options.capacity
                                 : name == "--seed"     ? &options.seed
                                                        : nullptr;
    const char* const end = text.data() + text.size();
    if (value == nullptr || text.empty() || std::from_chars(text.data(), end, *value).ptr != end) {
      fmt::print(stderr, "usage: flood [--invented N] [--capacity N] [--seed N]\n");
      return 2;
    }
  }
  return Flood(options).run() ? 0 : 1;
}

}  // namespace
}  // namespace tidegate::flood

int main(int argc, char** argv) {
  return tidegate::flood::main({argv, static_cast<std::size_t>(argc)});
}
