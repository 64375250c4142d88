// serve, peek, reset, key, reload and segment: what works on counts, wherever they are.
#include <fmt/format.h>

#include <cstdio>

#include "adapters/posix/generation.hpp"
#include "adapters/posix/instruments.hpp"
#include "adapters/posix/redis_operator.hpp"
#include "apps/tidegate/commands.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::command {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "{}\n", error.message);
  return kNo;
}

/// True if `rule` names a rule, or is empty; else says which there are.
bool rule_exists(const Policy& policy, const std::string& rule) {
  std::string names;
  for (const Rule& each : policy.rules()) {
    if (rule.empty() || each.name == rule) return true;
    names += (names.empty() ? "" : ", ") + each.name;
  }
  fmt::print(stderr, "--rule {}: no such rule; there are {}\n", rule, names);
  return false;
}

std::string seconds(std::uint64_t us) {
  return fmt::format("{:.3f} s", static_cast<double>(us) / 1e6);
}

}  // namespace

int serve(const ConfigPath& config, const ServeOptions& options) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  const auto limiter = Limiter::open(*loaded);
  if (!limiter) return complain(limiter.error());
  return tidegate::serve(options, limiter->get());
}

int peek(const ConfigPath& config, const ClientOptions& options) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  const auto open = posix::open_in_force(loaded->config);
  if (!open) return complain(open.error());
  const Engine& engine = *open->generation->engine;
  if (!rule_exists(engine.policy(), options.rule)) return kUsage;
  posix::RedisPeek seen;
  if (open->generation->config().backend == BackendKind::redis) {
    auto asked = posix::redis_peek(*open->generation, options.client, options.rule, options.tier);
    if (!asked) return complain(asked.error());
    seen = std::move(*asked);
  } else {
    const Micros now = open->segment.now_us();
    seen.windows = engine.peek(options.client, options.rule, options.tier, now);
    seen.cooldown_us = engine.peek_cooldown(options.client, now);
  }
  for (const WindowState& state : seen.windows) {
    fmt::print("{} {} per {}: {} remaining, whole in {}\n", state.rule, state.limit,
               seconds(state.window_us), state.remaining, seconds(state.reset_us));
  }
  const Micros left_us = seen.cooldown_us;
  if (left_us != 0) fmt::print("locked out by penalties for {}\n", seconds(left_us));
  return kFine;
}

int reset(const ConfigPath& config, const ClientOptions& options) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  const auto open = posix::open_in_force(loaded->config);
  if (!open) return complain(open.error());
  const Engine& engine = *open->generation->engine;
  if (!rule_exists(engine.policy(), options.rule)) return kUsage;
  const bool in_redis = open->generation->config().backend == BackendKind::redis;
  posix::Instruments instruments(open->segment.counters_memory(),
                                 open->generation->config().memory.capacity);
  if (options.client.empty()) {
    if (in_redis) {
      const auto forgotten = posix::redis_reset_rule(*open->generation, options.rule);
      instruments.note_reset();
      if (!forgotten) return complain(forgotten.error());
    } else {
      engine.reset_rule(options.rule, open->segment.now_us());
    }
    fmt::print("{}: all clients forgotten\n", options.rule);
    return kFine;
  }
  const auto forgotten = in_redis
                             ? posix::redis_reset(*open->generation, options.client, options.rule)
                             : engine.reset(options.client, options.rule, open->segment.now_us());
  instruments.note_reset();
  if (!forgotten) return complain(forgotten.error());
  fmt::print("{}: {} count{} forgotten\n", options.client, *forgotten, *forgotten == 1 ? "" : "s");
  return kFine;
}

int key(const ConfigPath& config, const std::string& client) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  const auto keys = posix::redis_keys(*loaded, client);
  if (!keys) return complain(keys.error());
  for (const posix::RedisKey& each : *keys) fmt::print("{}\n", each.key);
  return kFine;
}

int reload(const ConfigPath& config) {
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  const auto segment = posix::Segment::open_existing(loaded->config);
  if (!segment) return complain(segment.error());
  const auto generation = posix::put_in_force(*segment, *loaded);
  if (!generation) {
    for (const Fault& fault : generation.error()) fmt::print("{}\n", to_string(fault));
    return kNo;
  }
  fmt::print("{} is in force: generation {}\n", posix::source_of(*loaded), (*generation)->number);
  return kFine;
}

int segment_list() {
  for (const posix::SegmentInfo& info : posix::list_segments()) {
    fmt::print("{}  {:.1f} MiB  {}  {}\n", info.name, static_cast<double>(info.bytes) / (1 << 20),
               info.path, info.detail);
  }
  return kFine;
}

int segment_remove(const std::string& name) {
  if (const auto removed = posix::remove_segment(name); !removed) return complain(removed.error());
  fmt::print("{} removed\n", name);
  return kFine;
}

}  // namespace tidegate::command
