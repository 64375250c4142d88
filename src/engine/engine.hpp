// The order of steps of a decision, written once: who is asking, which rules apply, what is
// charged, and what the answers of the store mean.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <boost/container/static_vector.hpp>

#include "core/time.hpp"
#include "identity/identity.hpp"
#include "policy/policy.hpp"
#include "store/charge.hpp"
#include "store/check.hpp"
#include "store/memory/store.hpp"
#include "store/penalties.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

/// What one request asks of the store. A request can meet six rules at most (two spellings of its
/// target, each with three readings); the charges of all of them are one group, and those of shadow
/// rules another, so that neither stops the other.
struct Plan {
  static constexpr std::size_t kMaxRules = 6;
  static constexpr std::size_t kMaxCharges = kMaxRules * kMaxWindowsPerRule;

  /// Room for the most there can be, of which only what is used is ever touched.
  template <class T>
  using List = boost::container::static_vector<T, kMaxCharges>;

  List<Charge> charges;         ///< those of shadow rules last
  List<std::size_t> window_of;  ///< charge i fills in Decision::windows[window_of[i]]
  std::size_t windows = 0;      ///< how many Decision::windows there are by now
  std::size_t enforced = 0;     ///< charges of rules that are no shadows: a group of their own
  Denial shadow_denial = Denial::none;  ///< what shadow rules say whatever the store says
  Hash128 client;                       ///< whose violations count
  bool limited = false;                 ///< false: exempt or switched off, nobody is to be asked

  /// What a store is asked. Borrows the plan.
  [[nodiscard]] Check check(const Policy& policy) const {
    return {.charges = {charges.data(), charges.size()},
            .enforced = enforced,
            .penalties = policy.penalties(),
            .client = client};
  }
};

/// Immutable but for the counts in the store. Thread-safe: any number of threads, one Decision
/// each.
class Engine {
 public:
  /// Keeps `store` by reference; it must outlive the engine. Without a verifier no token is looked
  /// at.
  Engine(std::shared_ptr<const Policy> policy, MemoryStore& store,
         std::shared_ptr<TokenVerifier> tokens = nullptr);

  /// The whole way of a request. Times count from the Unix epoch, `now_us` by whatever clock the
  /// sharers of the store agree on. Never fails.
  void decide(const Request& request, const Times& times, Decision& out) const;
  // The same in steps, for a store that answers later: plan, then ask whoever it is, then conclude
  // or, where nobody answered, fail. A plan goes with its decision and with this engine.

  /// Identity and rules: fills in everything of `out` that does not depend on a store, a denial
  /// that needs no asking included. `plan` is a new one. Where `plan.limited` is false, or nothing
  /// is left to charge, the rest may be left out.
  void plan(const Request& request, const Times& times, Decision& out, Plan& plan) const;
  /// Asks the memory store.
  Cooldown ask(Plan& plan, Micros now_us, std::span<Verdict> verdicts) const;
  /// Turns the answers to `plan.charges` into the decision.
  void conclude(const Plan& plan, std::span<const Verdict> verdicts, const Cooldown& cooldown,
                Decision& out) const;
  /// Nobody answered: lets the request through, or refuses it until `retry_us` from now. What is
  /// refused whatever a store says stays refused.
  void fail(const Plan& plan, bool open, Micros retry_us, Decision& out) const;

  /// Where there is one clock.
  void decide(const Request& request, Micros now_us, Decision& out) const {
    decide(request, Times{.now_us = now_us, .wall_us = now_us}, out);
  }

  /// The state of one client under the rules named `rule` (all where empty), one entry per window
  /// that could be charged for `tier`. Of rules that count addresses, if the client is one. Takes
  /// nothing and writes nothing.
  [[nodiscard]] std::vector<WindowState> peek(std::string_view client, std::string_view rule,
                                              std::string_view tier, Micros now_us) const;
  /// How long a client is still locked out by progressive penalties; 0: he is not.
  [[nodiscard]] Micros peek_cooldown(std::string_view client, Micros now_us) const;
  /// Forgets one client under the rules named `rule`, whatever his tier; where empty, under all,
  /// and his violations and cooldown. Counts of rules with per = "all" are nobody's and stay.
  /// Returns how many counts there were to forget.
  std::size_t reset(std::string_view client, std::string_view rule, Micros now_us) const;
  /// Forgets all clients under the rule named `rule`. False if there is none.
  bool reset_rule(std::string_view rule, Micros now_us) const;

  // The same for a store that is elsewhere.

  /// One window that peek looks at.
  struct Look {
    Charge charge;  ///< of cost 0
    WindowState window;

    /// False under maintenance, where there is nothing to look at.
    [[nodiscard]] bool asks() const { return charge.counter->window.limit != 0; }
    void tell(const Quota& quota);
  };
  [[nodiscard]] std::vector<Look> looks(std::string_view client, std::string_view rule,
                                        std::string_view tier) const;
  /// What reset forgets, besides violations.
  [[nodiscard]] std::vector<const Counter*> counters_of(std::string_view client,
                                                        std::string_view rule) const;

  [[nodiscard]] const Policy& policy() const { return *policy_; }
  [[nodiscard]] std::shared_ptr<const Policy> shared_policy() const { return policy_; }
  [[nodiscard]] const Identifier& identifier() const { return identifier_; }

 private:
  void plan_charges(const Request& request, const Times& times, Decision& out, Plan& plan) const;
  static void charge(const Rule& rule, const Request& request, Hash128 client, Decision& out,
                     Plan& plan);
  /// Whose count a rule keeps that does not count per client.
  [[nodiscard]] Hash128 counted_for(const Rule& rule, const std::optional<IpAddress>& address,
                                    std::string& address_text) const;

  std::shared_ptr<const Policy> policy_;
  Identifier identifier_;
  MemoryStore& store_;
};

/// Makes `out` one window of a rule of which nothing is known yet, reusing its memory.
void describe(const Rule& rule, const Counter& counter, WindowState& out);

/// True for a CORS preflight: OPTIONS with Origin and Access-Control-Request-Method.
[[nodiscard]] bool is_preflight(const Request& request);

}  // namespace tidegate
