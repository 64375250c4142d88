// Faults of a configuration as an exception.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate::python {

/// All of them, a line each. Becomes tidegate.ConfigError.
class ConfigFaults : public std::runtime_error {
 public:
  explicit ConfigFaults(const std::vector<Fault>& faults) : std::runtime_error(joined(faults)) {}

 private:
  static std::string joined(const std::vector<Fault>& faults) {
    std::string text;
    for (const Fault& fault : faults) text += (text.empty() ? "" : "\n") + to_string(fault);
    return text;
  }
};

}  // namespace tidegate::python
