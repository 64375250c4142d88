#include "engine/engine.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace tidegate {
namespace {

constexpr std::string_view kAnonymous = "anonymous";

bool has_header(const Request& request, std::string_view name) {
  bool found = false;
  if (request.headers != nullptr) {
    request.headers->each(name, [&found](std::string_view) {
      found = true;
      return false;
    });
  }
  return found;
}

/// The readings of a request's target, or of both its targets.
struct Readings {
  std::array<PathReadings, 2> targets;
  std::array<std::string_view, Plan::kMaxRules> paths;
  std::size_t size = 0;

  explicit Readings(const Request& request) {
    add(request.target, targets[0]);
    if (request.other_target) add(*request.other_target, targets[1]);
  }

 private:
  void add(std::string_view target, PathReadings& readings) {
    read_path(target, readings);
    paths[size++] = readings.path;
    if (readings.literal) paths[size++] = *readings.literal;
    if (readings.by_segment) paths[size++] = *readings.by_segment;
  }
};

/// The rules that the readings meet, each once.
struct Rules {
  std::array<const Rule*, Plan::kMaxRules> rules;
  std::size_t size = 0;

  void add(const Rule& rule) {
    if (std::find(rules.begin(), rules.begin() + size, &rule) == rules.begin() + size) {
      rules[size++] = &rule;
    }
  }
};

/// The window that a decision's fields describe: the one with the least left; of two, the one that
/// is whole again later. Under maintenance it is one of those with limit 0, whatever the others
/// say.
std::size_t find_tightest(const Decision& decision) {
  const auto tighter = [&](const WindowState& a, const WindowState& b) {
    if (decision.denial == Denial::maintenance && (a.limit == 0) != (b.limit == 0)) {
      return a.limit == 0;
    }
    return std::tie(a.remaining, b.reset_us) < std::tie(b.remaining, a.reset_us);
  };
  const auto tightest = std::ranges::min_element(decision.windows, tighter);
  return static_cast<std::size_t>(tightest - decision.windows.begin());
}

/// What Retry-After is made of: the shortest or longest wait of the windows that said no.
std::optional<std::uint64_t> find_retry_after(const Decision& decision, RetryAfter which) {
  std::optional<std::uint64_t> found;
  for (const WindowState& window : decision.windows) {
    if (!window.retry_after_us) continue;
    if (!found || (which == RetryAfter::shortest ? *window.retry_after_us < *found
                                                 : *window.retry_after_us > *found)) {
      found = window.retry_after_us;
    }
  }
  return found;
}

}  // namespace

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && has_header(request, "Origin") &&
         has_header(request, "Access-Control-Request-Method");
}

Engine::Engine(std::shared_ptr<const Policy> policy, MemoryStore& store)
    : policy_(std::move(policy)),
      identifier_(policy_->config().client_identification, policy_->hash_key()),
      store_(store) {}

void Engine::decide(const Request& request, Micros now_us, Decision& out) const {
  Plan plan;
  out.time_us = now_us;
  this->plan(request, out, plan);
  Plan::List<Verdict> verdicts(plan.charges.size());
  if (!plan.charges.empty()) store_.apply(plan.charges, ticks_from_micros(now_us), verdicts);
  conclude(plan, verdicts, out);
}

void Engine::plan(const Request& request, Decision& out, Plan& plan) const {
  out.outcome = Outcome::allowed;
  out.denial = Denial::none;
  out.retry_after_us.reset();
  out.windows.clear();
  out.tightest = 0;
  out.cost = request.cost.value_or(1);

  const std::optional<IpAddress> address = identifier_.identify(request, out.client);
  if (out.client.tier != kAnonymous && !policy_->known_tier(out.client.tier)) {
    out.client.tier = kAnonymous;
  }

  const Readings readings(request);
  const std::span paths{readings.paths.data(), readings.size};
  out.path = paths[0].empty() ? request.target : paths[0];
  if (!policy_->config().enabled) {
    out.endpoint = policy_->default_rule().name;
    return;
  }

  // Exempt only if every reading is: else one spelling of a path would lift the limit of another.
  const auto exempt = [&](std::string_view path) { return policy_->exempt(path, request.method); };
  if ((address && policy_->exempt_address(*address)) || std::ranges::all_of(paths, exempt)) {
    out.outcome = Outcome::exempt;
    out.endpoint = "exempt";
    return;
  }

  Rules rules;
  if (is_preflight(request)) {
    rules.add(policy_->preflight_rule());
  } else {
    for (const std::string_view path : paths) rules.add(policy_->match(path, request.method));
  }
  out.endpoint = rules.rules[0]->name;

  const Hash128 client = siphash128(policy_->hash_key(), out.client.client_id);
  for (std::size_t i = 0; i < rules.size; ++i) charge(*rules.rules[i], request, client, out, plan);
  if (out.denial != Denial::none) {
    // Refused whatever the store says: only look, so that the fields are right and nothing is
    // taken.
    out.outcome = Outcome::denied;
    for (Charge& charge : plan.charges) charge.cost = 0;
  }
}

void Engine::charge(const Rule& rule, const Request& request, Hash128 client, Decision& out,
                    Plan& plan) {
  const std::uint64_t cost = request.cost.value_or(rule.cost);
  out.cost = std::max(out.cost, cost);
  for (const Counter& counter : Policy::get_applicable_limit(rule, out.client.tier)) {
    WindowState& state = out.windows.emplace_back();
    state.rule = rule.name;
    state.algorithm = counter.window.algorithm;
    state.limit = counter.window.limit;
    state.window_us = counter.window.window_us;
    if (counter.window.limit == 0) {
      out.denial = Denial::maintenance;  // comes before every other reason
      state.exceeded = true;
      state.reset_us = state.window_us;
      state.retry_after_us = state.window_us;
      state.more_after_us = state.window_us;
      continue;
    }
    if (cost > counter.window.capacity) {
      if (out.denial == Denial::none) out.denial = Denial::cost_exceeds_limit;
      state.exceeded = true;
    }
    plan.window_of.push_back(out.windows.size() - 1);
    plan.charges.push_back({&counter, client, cost});
  }
}

void Engine::conclude(const Plan& plan, std::span<const Verdict> verdicts, Decision& out) const {
  if (out.windows.empty()) return;
  std::size_t exceeded = 0;
  for (std::size_t i = 0; i < plan.charges.size(); ++i) {
    WindowState& state = out.windows[plan.window_of[i]];
    state.remaining = verdicts[i].quota.remaining;
    state.reset_us = verdicts[i].quota.reset_us;
    state.more_after_us = verdicts[i].quota.more_after_us;
    if (!verdicts[i].admitted && plan.charges[i].cost != 0) {
      state.exceeded = true;
      state.retry_after_us = verdicts[i].quota.retry_after_us;
      ++exceeded;
    }
  }
  if (exceeded != 0) {
    out.outcome = Outcome::denied;
    out.denial = exceeded == 1 ? Denial::rate_limit_exceeded : Denial::multiple_windows_exceeded;
  }
  out.tightest = find_tightest(out);
  out.endpoint = out.windows[out.tightest].rule;
  if (out.outcome == Outcome::denied) {
    out.retry_after_us = find_retry_after(out, policy_->config().retry_after);
  }
}

std::vector<WindowState> Engine::peek(std::string_view client, std::string_view rule,
                                      std::string_view tier, Micros now_us) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  std::vector<WindowState> states;
  for (const Rule& candidate : policy_->rules()) {
    if (!rule.empty() && candidate.name != rule) continue;
    for (const Counter& counter : Policy::get_applicable_limit(candidate, tier)) {
      WindowState& state = states.emplace_back();
      state.rule = candidate.name;
      state.algorithm = counter.window.algorithm;
      state.limit = counter.window.limit;
      state.window_us = counter.window.window_us;
      if (counter.window.limit == 0) continue;
      const Quota quota = store_.peek(counter, hash, ticks_from_micros(now_us)).quota;
      state.remaining = quota.remaining;
      state.reset_us = quota.reset_us;
      state.more_after_us = quota.more_after_us;
    }
  }
  return states;
}

std::size_t Engine::reset(std::string_view client, std::string_view rule, Micros now_us) const {
  const Hash128 hash = siphash128(policy_->hash_key(), client);
  std::size_t forgotten = 0;
  const auto forget = [&](const Limit& limit) {
    for (const Counter& counter : limit) {
      if (counter.window.limit != 0 && store_.reset(counter, hash, ticks_from_micros(now_us))) {
        ++forgotten;
      }
    }
  };
  for (const Rule& candidate : policy_->rules()) {
    if (!rule.empty() && candidate.name != rule) continue;
    forget(Policy::get_applicable_limit(candidate, ""));
    // Tiers may have windows of their own under the same rule.
    for (const auto& [tier, limit] : candidate.tiers) forget(limit);
    for (const TierConfig& tier : policy_->config().tiers) {
      forget(Policy::get_applicable_limit(candidate, tier.name));
    }
  }
  return forgotten;
}

}  // namespace tidegate
