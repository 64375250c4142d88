// What was asked, executed and answered in a run, held against what is promised.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/charge.hpp"
#include "store/guard/guard.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {

/// A promise that was broken.
struct Violation {
  Micros at = 0;  ///< since the run began
  std::string promise;
  std::string message;
};

/// Somebody who asks: again and again, or once.
struct Client {
  Hash128 hash;
  std::string name;  ///< as keys have it
  bool once = false;
  std::size_t group = 0;  ///< whose limits are his
};

/// How an answer came about.
struct Answer {
  const Client* client = nullptr;
  std::uint64_t cost = 0;
  Micros asked = 0;
  const BreakerMemory* breaker = nullptr;     ///< of its server
  BreakerState state = BreakerState::closed;  ///< of that, when it was asked
  bool at_once = false;                       ///< nobody waited
  AnsweredBy by = AnsweredBy::store;
  bool admitted = false;
  Micros retry_us = 0;
};

class Ledger final : public Witness {
 public:
  struct Promises {
    FailureMode failure_mode = FailureMode::fail_open;
    Micros decision_timeout_us = 0;
    Micros breaker_timeout_us = 0;
    Micros clock_slack_us = 0;  ///< by how much the clocks of servers disagree, and go back
  };
  Ledger(World& world, const Promises& promises) : world_(world), promises_(promises) {}

  void on_executed(const Count& count, const Decided& decided) override;
  void on_answer(const Answer& answer);
  /// From now on, or until then: every answer has to be the store's.
  void set_healthy(bool healthy) { healthy_ = healthy; }
  /// Clocks of servers disagree by so much more.
  void add_clock_slack(Micros slack) { promises_.clock_slack_us += slack; }
  /// The clock that counts go by has gone back: by a jump, or with a failover. Then a bucket that
  /// is not full reads as empty.
  void set_gone_back() { gone_back_ = true; }
  void violated(std::string_view promise, std::string message);
  /// What can be said only at the end. `limits` are those of each group.
  void conclude(const std::deque<Client>& clients, const std::vector<std::vector<Counter>>& limits);

  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  [[nodiscard]] const std::map<AnsweredBy, std::uint64_t>& answers() const { return answers_; }

 private:
  struct Taken {
    Micros at = 0;
    std::uint64_t cost = 0;
  };
  struct Denial {
    Micros at = 0;
    std::uint64_t cost = 0;
  };
  struct History {
    std::map<Count, std::vector<Taken>> taken;
    std::vector<Denial> denials;
  };

  /// Whether an answer is without the store because another request probes it.
  bool waits_for_probe(const Answer& answer);
  void check_bound(const Client& client, const Counter& counter, const std::vector<Taken>& taken);
  void check_denials(const Client& client, const std::vector<Counter>& counters,
                     const History& history);

  World& world_;
  Promises promises_;
  std::map<std::string, History, std::less<>> histories_;  ///< by the client's name
  std::vector<Violation> violations_;
  std::map<AnsweredBy, std::uint64_t> answers_;
  bool healthy_ = false;
  /// Breakers that were found half-open since, and when first.
  std::map<const BreakerMemory*, Micros> probing_;
  bool gone_back_ = false;
};

/// The most that an algorithm admits in a window's length.
[[nodiscard]] std::uint64_t most_in_window(const Window& window);
/// For how long an algorithm remembers what was taken.
[[nodiscard]] Micros memory_of(const Window& window);

}  // namespace tidegate::simulation
