// What an operator does to counts: look and forget.
#include "engine/engine.hpp"

namespace tidegate {
namespace {

bool named(const Rule& rule, std::string_view name) { return name.empty() || rule.name == name; }

/// Whether a rule keeps a count of its own for a client of this text.
bool counts(const Rule& rule, std::string_view client) {
  return rule.per == Per::client || (rule.per == Per::address && client.starts_with("ip:"));
}

}  // namespace

void describe(const Rule& rule, const Counter& counter, WindowState& out) {
  out.rule = rule.name;
  out.algorithm = counter.window.algorithm;
  out.limit = counter.window.limit;
  out.window_us = counter.window.window_us;
  out.remaining = 0;
  out.reset_us = 0;
  out.retry_after_us.reset();
  out.more_after_us = 0;
  out.exceeded = false;
  out.shadow = rule.shadow;
  out.per = rule.per;
}

std::vector<Engine::Look> Engine::looks(std::string_view client, std::string_view rule,
                                        std::string_view tier) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  std::vector<Look> looks;
  for (const Rule& candidate : policy_->rules()) {
    if (!named(candidate, rule)) continue;
    const bool everybodys = candidate.per == Per::all;
    if (!everybodys && !counts(candidate, client)) continue;
    for (const Counter& counter : Policy::get_applicable_limit(candidate, tier)) {
      Look& look = looks.emplace_back();
      describe(candidate, counter, look.window);
      look.charge = {.counter = &counter, .client = everybodys ? Hash128{} : hash, .cost = 0};
    }
  }
  return looks;
}

void Engine::Look::tell(const Quota& quota) {
  window.remaining = quota.remaining;
  window.reset_us = quota.reset_us;
  window.more_after_us = quota.more_after_us;
}

std::vector<WindowState> Engine::peek(std::string_view client, std::string_view rule,
                                      std::string_view tier, Micros now_us) const {
  std::vector<WindowState> states;
  for (Look& look : looks(client, rule, tier)) {
    const auto& [counter, hash, cost] = look.charge;
    if (look.asks()) look.tell(store_.peek(*counter, hash, ticks_from_micros(now_us)).quota);
    states.push_back(std::move(look.window));
  }
  return states;
}

Micros Engine::peek_cooldown(std::string_view client, Micros now_us) const {
  const Penalties* const penalties = policy_->penalties();
  if (penalties == nullptr) return 0;
  return store_.peek_cooldown(*penalties, siphash128(policy_->hash_key(), client),
                              ticks_from_micros(now_us));
}

std::vector<const Counter*> Engine::counters_of(std::string_view client,
                                                std::string_view rule) const {
  // Those of tiers too, which may have windows of their own under the same rule.
  std::vector<const Counter*> its;
  for (const Counter* counter : policy_->counters()) {
    const Rule& candidate = policy_->rules()[counter->rule];
    if (named(candidate, rule) && counts(candidate, client) && counter->window.limit != 0) {
      its.push_back(counter);
    }
  }
  return its;
}

std::size_t Engine::reset(std::string_view client, std::string_view rule, Micros now_us) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  const Ticks now = ticks_from_micros(now_us);
  std::size_t forgotten = 0;
  for (const Counter* counter : counters_of(client, rule)) {
    if (store_.reset(*counter, hash, now)) ++forgotten;
  }
  const Penalties* const penalties = policy_->penalties();
  if (rule.empty() && penalties != nullptr && store_.reset(*penalties, hash, now)) ++forgotten;
  return forgotten;
}

bool Engine::reset_rule(std::string_view rule, Micros now_us) const {
  bool found = false;
  for (const Rule& candidate : policy_->rules()) {
    if (candidate.name != rule) continue;
    store_.reset_all(policy_->counters_of(candidate), ticks_from_micros(now_us));
    found = true;
  }
  return found;
}

}  // namespace tidegate
