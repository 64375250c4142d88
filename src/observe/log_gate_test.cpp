#include "observe/log_gate.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "observe/test_decisions.hpp"

namespace tidegate {
namespace {

constexpr HashKey kKey{1, 2};
constexpr Micros kMinute_us = 60'000'000;

Decision denied_at(Micros after_us, std::string client = "ip:1.2.3.4",
                   std::string rule = "default") {
  Decision decision = a_decision(std::move(client), Outcome::denied, std::move(rule));
  decision.time_us += after_us;
  return decision;
}

TEST(LogGate, LetsOneLineAWindowThroughAndSaysHowManyItHeldBack) {
  const auto gate = std::make_unique<LogGate>(kKey);
  EXPECT_EQ(gate->pass(denied_at(0)), 0U);
  for (Micros i = 1; i <= 7; ++i) EXPECT_EQ(gate->pass(denied_at(i)), std::nullopt);
  EXPECT_EQ(gate->pass(denied_at(kMinute_us - 1)), std::nullopt);
  EXPECT_EQ(gate->pass(denied_at(kMinute_us)), 8U);
  EXPECT_EQ(gate->pass(denied_at(kMinute_us + 1)), std::nullopt);
  EXPECT_EQ(gate->pass(denied_at(3 * kMinute_us)), 1U);
}

TEST(LogGate, TellsClientsAndRulesApart) {
  const auto gate = std::make_unique<LogGate>(kKey);
  EXPECT_EQ(gate->pass(denied_at(0)), 0U);
  EXPECT_EQ(gate->pass(denied_at(0, "ip:5.6.7.8")), 0U);
  EXPECT_EQ(gate->pass(denied_at(0, "ip:1.2.3.4", "search")), 0U);
  EXPECT_EQ(gate->pass(denied_at(0)), std::nullopt);
}

TEST(LogGate, TellsAPenaltyFromWhatLedToIt) {
  const auto gate = std::make_unique<LogGate>(kKey);
  Decision locked_out = denied_at(1);
  locked_out.denial = Denial::penalty_active;
  EXPECT_EQ(gate->pass(denied_at(0)), 0U);
  EXPECT_EQ(gate->pass(locked_out), 0U);
  EXPECT_EQ(gate->pass(locked_out), std::nullopt);
  EXPECT_EQ(gate->pass(denied_at(2)), std::nullopt);
}

TEST(LogGate, TellsWindowsOfARuleApart) {
  const auto gate = std::make_unique<LogGate>(kKey);
  Decision hourly = denied_at(0);
  hourly.windows.front().window_us = 60 * kMinute_us;
  EXPECT_EQ(gate->pass(denied_at(0)), 0U);
  EXPECT_EQ(gate->pass(hourly), 0U);
}

TEST(LogGate, WritesALineTooManyRatherThanNoneWhenThereAreTooManyClients) {
  const auto gate = std::make_unique<LogGate>(kKey);
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_EQ(gate->pass(denied_at(0, "ip:client-" + std::to_string(i))), 0U);
  }
}

TEST(LogGate, SurvivesTheEndOfTime) {
  const auto gate = std::make_unique<LogGate>(kKey);
  Decision last = denied_at(0);
  last.time_us = ~Micros{0};
  EXPECT_EQ(gate->pass(last), 0U);
}

}  // namespace
}  // namespace tidegate
