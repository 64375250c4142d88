// Metrics as the text that Prometheus reads (exposition format 0.0.4). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "observe/counters.hpp"

namespace tidegate {

/// What a client has used, for rate_limit_current_usage.
struct Usage {
  std::string endpoint;
  std::string tier;
  std::string client;
  std::uint64_t used = 0;  ///< units of the tightest window
};

/// Everything a scrape shows, at one moment.
struct Metrics {
  std::vector<Counters::Row> rows;
  std::vector<Counters::Warning> warnings;
  std::vector<Usage> usage;
  std::uint64_t entries = 0;
  std::uint64_t capacity = 0;
  std::uint64_t evictions = 0;
  std::uint64_t overflow = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t repairs = 0;
  std::uint64_t breaker_state = 0;  ///< 0 closed, 1 half-open, 2 open
  std::uint64_t config_generation = 1;
};

/// Each family with its help and type, counters that are 0 left out where labels tell them apart.
[[nodiscard]] std::string prometheus_text(const Metrics& metrics);

}  // namespace tidegate
