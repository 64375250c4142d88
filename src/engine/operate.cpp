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

std::vector<WindowState> Engine::peek(std::string_view client, std::string_view rule,
                                      std::string_view tier, Micros now_us) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  std::vector<WindowState> states;
  for (const Rule& candidate : policy_->rules()) {
    if (!named(candidate, rule)) continue;
    const bool everybodys = candidate.per == Per::all;
    if (!everybodys && !counts(candidate, client)) continue;
    for (const Counter& counter : Policy::get_applicable_limit(candidate, tier)) {
      WindowState& state = states.emplace_back();
      describe(candidate, counter, state);
      if (counter.window.limit == 0) continue;
      const Quota quota =
          store_.peek(counter, everybodys ? Hash128{} : hash, ticks_from_micros(now_us)).quota;
      state.remaining = quota.remaining;
      state.reset_us = quota.reset_us;
      state.more_after_us = quota.more_after_us;
    }
  }
  return states;
}

Micros Engine::peek_cooldown(std::string_view client, Micros now_us) const {
  const Penalties* const penalties = policy_->penalties();
  if (penalties == nullptr) return 0;
  return store_.peek_cooldown(*penalties, siphash128(policy_->hash_key(), client),
                              ticks_from_micros(now_us));
}

std::size_t Engine::reset(std::string_view client, std::string_view rule, Micros now_us) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  const Ticks now = ticks_from_micros(now_us);
  std::size_t forgotten = 0;
  // Those of tiers too, which may have windows of their own under the same rule.
  for (const Counter* counter : policy_->counters()) {
    const Rule& its = policy_->rules()[counter->rule];
    if (!named(its, rule) || !counts(its, client) || counter->window.limit == 0) continue;
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
