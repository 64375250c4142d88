// Randomness from the system.
#pragma once

#include <sys/random.h>

#include <cstdint>

#include "adapters/posix/segment.hpp"
#include "core/hash.hpp"

namespace tidegate::posix {

inline std::uint64_t random_number() {
  std::uint64_t number = 0;
  // Of 8 bytes nothing is ever missing, once the system has started.
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = wall_us();
  return number;
}

inline HashKey random_key() { return {random_number(), random_number()}; }

}  // namespace tidegate::posix
