// A rule: a name that counters hang on, and the limits of its tiers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "store/charge.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// The windows that are enforced together for one rule and tier, in the order of the configuration.
/// Empty: unlimited.
using Limit = std::vector<Counter>;

struct Rule {
  std::string name;
  std::uint64_t cost = 1;
  Per per = Per::client;
  bool shadow = false;  ///< decides and counts, and never rejects
  Limit limit;
  std::map<std::string, Limit, std::less<>> tiers;  ///< instead of `limit`, for these tiers
};

}  // namespace tidegate
