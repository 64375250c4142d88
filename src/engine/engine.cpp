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

  /// Borrows the memory of an earlier path.
  Readings(const Request& request, std::string& memory) {
    targets[0].path = std::move(memory);
    add(request.target, targets[0]);
    if (request.other_target) add(*request.other_target, targets[1]);
  }

  /// The canonical path, or what was sent instead of one. The readings end here.
  void end(const Request& request, std::string& path) {
    path = std::move(targets[0].path);
    if (path.empty()) path = request.target;
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
  [[nodiscard]] std::span<const Rule* const> all() const { return {rules.data(), size}; }
};

/// The window that a decision's fields describe: the one with the least left; of two, the one that
/// is whole again later. Under maintenance it is one of those with limit 0, whatever the others
/// say. Those of shadow rules come last.
std::size_t find_tightest(const Decision& decision) {
  const auto tighter = [&](const WindowState& a, const WindowState& b) {
    if (a.shadow != b.shadow) return b.shadow;
    if (decision.denial == Denial::maintenance && (a.limit == 0) != (b.limit == 0)) {
      return a.limit == 0;
    }
    return std::tie(a.remaining, b.reset_us) < std::tie(b.remaining, a.reset_us);
  };
  const auto tightest = std::ranges::min_element(decision.windows, tighter);
  return static_cast<std::size_t>(tightest - decision.windows.begin());
}

/// The window that logs and metrics speak of.
std::size_t find_subject(const Decision& decision) {
  std::size_t subject = decision.tightest;
  if (decision.outcome != Outcome::shadow) return subject;
  const auto refused = [&](std::size_t i) {
    return decision.windows[i].shadow && decision.windows[i].exceeded;
  };
  for (std::size_t i = 0; i < decision.windows.size(); ++i) {
    if (!refused(i)) continue;
    if (!refused(subject) || decision.windows[i].remaining < decision.windows[subject].remaining) {
      subject = i;
    }
  }
  return subject;
}

/// What Retry-After is made of: the shortest or longest wait of the windows that said no, and not
/// before a cooldown is over.
std::optional<std::uint64_t> find_retry_after(const Decision& decision, const Cooldown& cooldown,
                                              RetryAfter which) {
  if (cooldown.refused) return cooldown.left_us;
  std::optional<std::uint64_t> found;
  for (const WindowState& window : decision.windows) {
    if (window.shadow || !window.retry_after_us) continue;
    if (!found || (which == RetryAfter::shortest ? *window.retry_after_us < *found
                                                 : *window.retry_after_us > *found)) {
      found = window.retry_after_us;
    }
  }
  if (cooldown.left_us > found.value_or(0)) found = cooldown.left_us;
  return found;
}

/// Chooses the windows that fields, logs and metrics speak of.
void choose_windows(Decision& out) {
  if (out.windows.empty()) return;
  out.tightest = find_tightest(out);
  out.subject = find_subject(out);
  out.endpoint = out.windows[out.tightest].rule;
}

void take_nothing(std::span<Charge> charges) {
  for (Charge& charge : charges) charge.cost = 0;
}

}  // namespace

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && has_header(request, "Origin") &&
         has_header(request, "Access-Control-Request-Method");
}

Engine::Engine(std::shared_ptr<const Policy> policy, MemoryStore& store,
               std::shared_ptr<TokenVerifier> tokens)
    : policy_(std::move(policy)),
      identifier_(policy_->config().client_identification, policy_->hash_key(), std::move(tokens)),
      store_(store) {}

void Engine::decide(const Request& request, const Times& times, Decision& out) const {
  Plan plan;
  this->plan(request, times, out, plan);
  if (!plan.limited) return;
  Plan::List<Verdict> verdicts(plan.charges.size());
  const Cooldown cooldown = ask(plan, times.now_us, verdicts);
  conclude(plan, verdicts, cooldown, out);
}

void Engine::plan(const Request& request, const Times& times, Decision& out, Plan& plan) const {
  plan_charges(request, times, out, plan);
  out.windows.resize(plan.windows);  // those of an earlier decision are used again
}

void Engine::plan_charges(const Request& request, const Times& times, Decision& out,
                          Plan& plan) const {
  out.time_us = times.now_us;
  out.outcome = Outcome::allowed;
  out.denial = Denial::none;
  out.retry_after_us.reset();
  out.tightest = 0;
  out.subject = 0;
  out.cost = request.cost.value_or(1);

  const auto [address, token] = identifier_.identify(request, times, out.client);
  out.token = token;
  if (out.client.tier != kAnonymous && !policy_->known_tier(out.client.tier)) {
    out.client.tier = kAnonymous;
  }

  Readings readings(request, out.path);
  const std::span paths{readings.paths.data(), readings.size};
  if (!policy_->config().enabled) {
    readings.end(request, out.path);
    out.endpoint = policy_->default_rule().name;
    return;
  }

  // Exempt only if every reading is: else one spelling of a path would lift the limit of another.
  const auto exempt = [&](std::string_view path) { return policy_->exempt(path, request.method); };
  if ((address && policy_->exempt_address(*address)) || policy_->exempt_user(out.client) ||
      (!request.rule && std::ranges::all_of(paths, exempt))) {
    readings.end(request, out.path);
    out.outcome = Outcome::exempt;
    out.endpoint = "exempt";
    return;
  }

  Rules rules;
  if (request.rule) {
    rules.add(policy_->named(*request.rule));
  } else if (is_preflight(request)) {
    rules.add(policy_->preflight_rule());
  } else {
    for (const std::string_view path : paths) rules.add(policy_->match(path, request.method));
  }
  readings.end(request, out.path);
  out.endpoint = rules.rules[0]->name;

  plan.limited = true;
  plan.client = siphash128(policy_->hash_key(), out.client.client_id);
  for (const bool shadow : {false, true}) {
    for (const Rule* rule : rules.all()) {
      if (rule->shadow != shadow) continue;
      const Hash128 client =
          rule->per == Per::client ? plan.client : counted_for(*rule, address, out.address);
      charge(*rule, request, client, out, plan);
    }
    if (!shadow) plan.enforced = plan.charges.size();
  }
  // Refused whatever the store says: only look, so that the fields are right and nothing is taken.
  const std::span charges{plan.charges.data(), plan.charges.size()};
  if (out.denial != Denial::none) {
    out.outcome = Outcome::denied;
    take_nothing(charges.first(plan.enforced));
  }
  if (plan.shadow_denial != Denial::none) take_nothing(charges.subspan(plan.enforced));
}

Hash128 Engine::counted_for(const Rule& rule, const std::optional<IpAddress>& address,
                            std::string& address_text) const {
  if (rule.per == Per::all) return {};
  address_text.clear();
  identifier_.append_address(address, address_text);
  return siphash128(policy_->hash_key(), address_text);
}

void Engine::charge(const Rule& rule, const Request& request, Hash128 client, Decision& out,
                    Plan& plan) {
  const std::uint64_t cost = request.cost.value_or(rule.cost);
  out.cost = std::max(out.cost, cost);
  Denial& denial = rule.shadow ? plan.shadow_denial : out.denial;
  for (const Counter& counter : Policy::get_applicable_limit(rule, out.client.tier)) {
    const bool another = plan.windows == out.windows.size();
    WindowState& state = another ? out.windows.emplace_back() : out.windows[plan.windows];
    describe(rule, counter, state);
    ++plan.windows;
    if (counter.window.limit == 0) {
      denial = Denial::maintenance;  // comes before every other reason
      state.exceeded = true;
      state.reset_us = state.window_us;
      state.retry_after_us = state.window_us;
      state.more_after_us = state.window_us;
      continue;
    }
    if (cost > counter.window.capacity) {
      if (denial == Denial::none) denial = Denial::cost_exceeds_limit;
      state.exceeded = true;
    }
    plan.window_of.push_back(plan.windows - 1);
    plan.charges.push_back({&counter, client, cost});
  }
}

Cooldown Engine::ask(Plan& plan, Micros now_us, std::span<Verdict> verdicts) const {
  const Ticks now = ticks_from_micros(now_us);
  const std::span charges{plan.charges.data(), plan.charges.size()};
  const auto enforced = charges.first(plan.enforced);
  const auto shadows = charges.subspan(plan.enforced);
  Cooldown cooldown;
  if (const Penalties* penalties = policy_->penalties(); penalties != nullptr) {
    cooldown = store_.apply(enforced, now, verdicts.first(plan.enforced), *penalties, plan.client);
  } else if (!enforced.empty()) {
    store_.apply(enforced, now, verdicts.first(plan.enforced));
  }
  if (cooldown.refused) take_nothing(shadows);
  if (!shadows.empty()) store_.apply(shadows, now, verdicts.subspan(plan.enforced));
  return cooldown;
}

void Engine::conclude(const Plan& plan, std::span<const Verdict> verdicts, const Cooldown& cooldown,
                      Decision& out) const {
  std::size_t exceeded = 0;
  bool shadow_exceeded = plan.shadow_denial != Denial::none;
  for (std::size_t i = 0; i < plan.charges.size(); ++i) {
    WindowState& state = out.windows[plan.window_of[i]];
    state.remaining = verdicts[i].quota.remaining;
    state.reset_us = verdicts[i].quota.reset_us;
    state.more_after_us = verdicts[i].quota.more_after_us;
    if (verdicts[i].admitted || plan.charges[i].cost == 0) continue;
    state.exceeded = true;
    state.retry_after_us = verdicts[i].quota.retry_after_us;
    shadow_exceeded = shadow_exceeded || state.shadow;
    if (!state.shadow) ++exceeded;
  }
  if (exceeded != 0) {
    out.outcome = Outcome::denied;
    out.denial = exceeded == 1 ? Denial::rate_limit_exceeded : Denial::multiple_windows_exceeded;
  }
  if (cooldown.refused) {
    out.outcome = Outcome::denied;
    out.denial = Denial::penalty_active;
  }
  if (out.outcome == Outcome::allowed && shadow_exceeded) out.outcome = Outcome::shadow;
  if (out.outcome == Outcome::denied) {
    out.retry_after_us = find_retry_after(out, cooldown, policy_->config().retry_after);
  }
  choose_windows(out);
}

void Engine::fail(const Plan& plan, bool open, Micros retry_us, Decision& out) const {
  for (const std::size_t i : plan.window_of) {
    WindowState& state = out.windows[i];
    state.remaining = open ? state.limit : 0;
    state.reset_us = open ? 0 : retry_us;
    state.more_after_us = state.reset_us;
  }
  if (out.outcome == Outcome::denied) {
    out.retry_after_us = find_retry_after(out, {}, policy_->config().retry_after);
  } else if (open || plan.enforced == 0) {  // shadow rules never stop anybody
    out.outcome = Outcome::failed_open;
  } else {
    out.outcome = Outcome::failed_closed;
    out.denial = Denial::rate_limiter_unavailable;
    out.retry_after_us = retry_us;
  }
  choose_windows(out);
}

}  // namespace tidegate
