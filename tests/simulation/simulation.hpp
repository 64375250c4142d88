// One run: hosts and servers that a seed chooses, faults, and then peace.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/simulation/faults.hpp"
#include "tests/simulation/ledger.hpp"

namespace tidegate::simulation {

struct Outcome {
  std::vector<Violation> violations;
  std::array<std::uint64_t, kFaults> faults{};
  std::map<AnsweredBy, std::uint64_t> answers;
  std::uint64_t elections = 0;
  std::uint64_t digest = 0;  ///< of all that happened
};

/// The same for the same seed, whatever else runs. `traced`: what happens is printed.
[[nodiscard]] Outcome simulate(std::uint64_t seed, bool traced);

}  // namespace tidegate::simulation
