// What every worker did, in the order in which it did it: each operation is written down before it
// is called and after it has answered, in memory that outlives whoever is killed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "store/memory/layout.hpp"
#include "tests/processes/arena.hpp"
#include "tests/processes/hooks.hpp"

namespace tidegate::torture {

/// Moments are numbers of one sequence that all workers share.
using Moment = std::uint64_t;

enum class Call : std::uint8_t { decide, peek, reset };
/// The table's horizon, and that of the small table of the rings.
enum Horizon : std::uint8_t { of_table, of_rings };
inline constexpr std::size_t kHorizons = 2;

struct Record {
  static constexpr std::size_t kMaxCharges = 2;

  Moment called = 0;    ///< 0: never
  Moment answered = 0;  ///< 0: whoever called was killed before
  std::uint32_t client = 0;
  Call call = Call::decide;
  std::uint8_t charges = 1;  ///< on counter `first` and those after it, as one group
  std::uint8_t first = 0;
  std::uint8_t cost = 0;
  Ticks now = 0;
  std::array<Ticks, kHorizons> horizon_before{};
  std::array<Ticks, kHorizons> horizon_after{};
  std::array<Verdict, kMaxCharges> verdicts{};
  bool was_reset = false;
};

/// All values a horizon was ever seen to have, by any worker at any step.
struct HorizonsSeen {
  static constexpr std::size_t kMost = std::size_t{1} << 21;

  std::atomic<std::uint64_t> count{0};
  std::array<Ticks, kMost> values{};

  void add(Ticks value) {
    const std::uint64_t at = count.fetch_add(1);
    if (at < kMost) values[at] = value;
  }
};

struct HistoryMore {
  std::atomic<Moment> moment;
  std::array<HorizonsSeen, kHorizons> horizons;
};
using History = Arena<Record, HistoryMore>;

/// Sees to it that no value of a horizon that some decision may have used stays unknown: whoever
/// raises one comes to a step right afterwards.
class HorizonWatch {
 public:
  static void begin(History& history) {
    HorizonWatch& here = mine();
    here.header_ = reinterpret_cast<const StoreHeader*>(history.store().data());
    here.seen_ = &history.more().horizons;
    disturbance.look = [] { (void)look(); };
  }
  static std::array<Ticks, kHorizons> look() {
    HorizonWatch& here = mine();
    const std::array<Ticks, kHorizons> values{here.header_->table_times.horizon.load(),
                                              here.header_->ring_times.horizon.load()};
    for (std::size_t i = 0; i < kHorizons; ++i) {
      if (values[i] != here.last_[i]) (*here.seen_)[i].add(values[i]);
    }
    here.last_ = values;
    return values;
  }

 private:
  static HorizonWatch& mine() {
    thread_local HorizonWatch watch;
    return watch;
  }

  const StoreHeader* header_ = nullptr;
  std::array<HorizonsSeen, kHorizons>* seen_ = nullptr;
  std::array<Ticks, kHorizons> last_{};
};

}  // namespace tidegate::torture
