// How a limiter is doing, as a value: what metrics, the page of operators and `tidegate top` show.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/client.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// Taken at one moment. Counts are totals of all processes that share the segment, since it was
/// created; a rate is the difference of two statuses over the difference of their `time_us`.
struct Status {
  /// The decisions under one rule and tier.
  struct Totals {
    std::string endpoint = {};  ///< name of the rule
    std::string tier = {};
    std::array<std::uint64_t, kOutcomes> requests = {};     ///< by Outcome
    std::array<std::uint64_t, kClientTypes> exceeded = {};  ///< answered 429, by ClientType
  };
  /// What one of the busiest clients has used of his tightest window.
  struct Usage {
    std::string endpoint = {};
    std::string tier = {};
    std::string client = {};  ///< may hold any bytes: escape it
    std::uint64_t used = 0;   ///< units
    std::uint64_t limit = 0;  ///< units
  };
  struct Count {
    std::string name = {};
    std::uint64_t count = 0;
  };
  struct Store {
    std::uint64_t entries = 0;  ///< in use; may be some seconds old
    std::uint64_t capacity = 0;
    std::uint64_t evictions = 0;
    std::uint64_t overflow = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t repairs = 0;
  };
  /// How long exchanges with Redis took that were answered.
  struct Latency {
    struct Bucket {
      std::uint64_t at_most_us = 0;
      std::uint64_t count = 0;  ///< of all exchanges that took no longer
    };
    std::string operation = {};
    std::vector<Bucket> buckets = {};
    std::uint64_t count = 0;
    std::uint64_t sum_us = 0;
  };
  struct RedisErrors {
    std::string operation = {};
    std::string type = {};
    std::uint64_t count = 0;
  };
  struct Reloads {
    std::uint64_t generation = 1;  ///< number of the configuration in force
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::string last_error = {};      ///< of the last one, "" if it succeeded
    std::uint64_t last_error_us = 0;  ///< wall clock; 0: none
  };

  std::string version = {};      ///< of tidegate
  std::uint64_t time_us = 0;     ///< wall clock, microseconds since the Unix epoch
  std::uint64_t started_us = 0;  ///< when this process opened the segment, by the same clock
  std::string health = "ok";     ///< as in Health
  std::string backend = {};
  std::string breaker = "closed";
  std::string failure_mode = {};
  Reloads reloads = {};
  Store store = {};
  std::vector<Totals> totals = {};            ///< in the order of their names
  std::vector<Usage> busiest = {};            ///< the most used first
  std::vector<Count> tokens = {};             ///< by verdict
  std::vector<Count> identity_warnings = {};  ///< by reason
  std::vector<Latency> redis_latencies = {};  ///< of operations that there were
  std::vector<RedisErrors> redis_errors = {};
  std::uint64_t admin_denied = 0;          ///< admin requests without the right token
  std::uint64_t log_lines_lost = 0;        ///< a full disk, a pipe nobody reads
  std::vector<std::string> warnings = {};  ///< of the configuration, one line each
};

/// Of this library, as "1.2.3".
[[nodiscard]] std::string_view version();

}  // namespace tidegate
