// Faults of a configuration as an exception.
#pragma once

#include <stdexcept>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate::python {

/// All of them, a line each. Becomes tidegate.ConfigError.
class ConfigFaults : public std::runtime_error {
 public:
  explicit ConfigFaults(const std::vector<Fault>& faults) : std::runtime_error(to_string(faults)) {}
};

}  // namespace tidegate::python
