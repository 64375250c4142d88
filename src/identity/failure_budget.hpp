// How many bad tokens of an address are read a second: verifying one costs up to a millisecond, and
// comes before any limit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"

namespace tidegate {

/// Of fixed size. Whoever sends from many addresses has the budget of each; an address that was
/// pushed out by others begins anew. Which addresses share a place depends on a key that nobody
/// outside knows. Any thread, without a lock.
class FailureBudget {
 public:
  FailureBudget(std::uint32_t per_second, const HashKey& key)
      : period_us_(1'000'000 / per_second),
        burst_us_(period_us_ * per_second),
        key_(key),
        sets_(kSets) {}

  /// Whether another bad token of this address would be read.
  [[nodiscard]] bool left(std::string_view address, Micros now_us) const {
    const std::uint64_t tag = tag_of(address);
    for (const Place& place : sets_[tag % kSets]) {
      if (place.tag.load(std::memory_order_relaxed) == tag) {
        return place.until_us.load(std::memory_order_relaxed) + period_us_ <= now_us + burst_us_;
      }
    }
    return true;
  }

  /// A bad token of this address was read.
  void spend(std::string_view address, Micros now_us) {
    const std::uint64_t tag = tag_of(address);
    Place* place = nullptr;
    for (Place& each : sets_[tag % kSets]) {
      if (each.tag.load(std::memory_order_relaxed) == tag) {
        place = &each;
        break;
      }
      // Else the one who has spent least.
      if (place == nullptr || each.until_us.load(std::memory_order_relaxed) <
                                  place->until_us.load(std::memory_order_relaxed)) {
        place = &each;
      }
    }
    if (place->tag.load(std::memory_order_relaxed) != tag) {
      place->until_us.store(0, std::memory_order_relaxed);
      place->tag.store(tag, std::memory_order_relaxed);
    }
    Micros seen = place->until_us.load(std::memory_order_relaxed);
    Micros next = 0;
    do {
      next = (seen > now_us ? seen : now_us) + period_us_;
      if (next > now_us + burst_us_ + period_us_) return;  // a clock that went back, or spent
    } while (!place->until_us.compare_exchange_weak(seen, next, std::memory_order_relaxed));
  }

 private:
  static constexpr std::size_t kSets = 1'024;
  struct Place {
    std::atomic<std::uint64_t> tag{0};
    std::atomic<Micros> until_us{0};  ///< the theoretical arrival time of a token bucket
  };
  using Set = std::array<Place, 4>;

  [[nodiscard]] std::uint64_t tag_of(std::string_view address) const {
    return siphash128(key_, address).low | 1;
  }

  Micros period_us_;
  Micros burst_us_;
  HashKey key_;
  std::vector<Set> sets_;
};

}  // namespace tidegate
