// Decisions for the tests of this room.
#pragma once

#include <string>
#include <utility>

#include "tidegate/decision.hpp"

namespace tidegate {

inline Decision a_decision(std::string client, Outcome outcome, std::string endpoint = "default",
                           std::string tier = "anonymous") {
  Decision decision;
  decision.outcome = outcome;
  decision.time_us = 1'800'000'000'000'000;
  decision.client.client_id = std::move(client);
  decision.client.tier = std::move(tier);
  decision.endpoint = endpoint;
  decision.windows.push_back({.rule = std::move(endpoint),
                              .limit = 20,
                              .window_us = 60'000'000,
                              .remaining = 5,
                              .reset_us = 30'000'000,
                              .retry_after_us = std::nullopt});
  if (outcome == Outcome::denied) {
    decision.denial = Denial::rate_limit_exceeded;
    decision.windows.front().remaining = 0;
    decision.windows.front().exceeded = true;
    decision.retry_after_us = 1'500'000;
  }
  return decision;
}

}  // namespace tidegate
