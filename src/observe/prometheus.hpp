// Metrics as the text that Prometheus reads (exposition format 0.0.4). Pure.
#pragma once

#include <string>

#include "tidegate/status.hpp"

namespace tidegate {

/// Each family with its help and type, counters that are 0 left out where labels tell them apart.
[[nodiscard]] std::string prometheus_text(const Status& status);

}  // namespace tidegate
