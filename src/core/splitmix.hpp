// Random numbers that a seed repeats, for jitter: nothing that has to be hard to guess.
#pragma once

#include <cstdint>

namespace tidegate {

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). Any
/// seed will do. Not thread-safe.
class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }
  /// From 0 to `end` - 1; 0 for 0. The lower ones a little more often, by less than end / 2^64.
  std::uint64_t below(std::uint64_t end) { return end == 0 ? 0 : next() % end; }

 private:
  std::uint64_t state_;
};

}  // namespace tidegate
