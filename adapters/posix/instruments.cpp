#include "adapters/posix/instruments.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace tidegate::posix {
namespace {

/// Of the segment's part for metrics: counts first, names of clients behind.
constexpr std::size_t kCountersBytes = std::size_t{1} << 20;
/// In what the header of the counts leaves free.
constexpr std::size_t kRedisAt = Counters::kFreeAt;
constexpr std::size_t kGuardsAt = kRedisAt + (sizeof(RedisCounters::Shared) + 63) / 64 * 64;
static_assert(kGuardsAt + sizeof(GuardMemory) <= Counters::kFreeAt + Counters::kFreeBytes);
/// So many more names are looked at than are wanted: those of clients who have nothing left in the
/// store are passed over, and give their places free.
constexpr std::size_t kSpareNames = 200;

/// Of the names that were noted, what the store says they have used: the most used first. Where the
/// store is elsewhere, what they were told when they last asked on this host.
std::vector<Status::Usage> busiest(const Engine& engine, TopClients& top, Micros now_us,
                                   std::size_t at_most) {
  std::vector<Status::Usage> found;
  if (at_most == 0) return found;
  for (TopClients::Named& named : top.named(at_most + kSpareNames)) {
    if (found.size() >= at_most) break;
    if (engine.policy().config().backend == BackendKind::redis) {
      if (named.until <= now_us) {
        top.forget(named);
        continue;
      }
      found.push_back({.endpoint = std::move(named.endpoint),
                       .tier = std::move(named.tier),
                       .client = std::move(named.client),
                       .used = named.used,
                       .limit = named.limit});
      continue;
    }
    const auto windows = engine.peek(named.client, named.endpoint, named.tier, now_us);
    const auto tightest = std::ranges::min_element(windows, {}, &WindowState::remaining);
    if (tightest == windows.end() || tightest->reset_us == 0) {
      top.forget(named);
      continue;
    }
    found.push_back({.endpoint = std::move(named.endpoint),
                     .tier = std::move(named.tier),
                     .client = std::move(named.client),
                     .used = tightest->limit - std::min(tightest->limit, tightest->remaining),
                     .limit = tightest->limit});
  }
  std::ranges::sort(found, [](const Status::Usage& a, const Status::Usage& b) {
    return std::tie(b.used, a.endpoint, a.tier, a.client) <
           std::tie(a.used, b.endpoint, b.tier, b.client);
  });
  // A client that two programs noted is there twice.
  const auto twice = std::ranges::unique(found, {}, [](const Status::Usage& usage) {
    return std::tie(usage.endpoint, usage.tier, usage.client);
  });
  found.erase(twice.begin(), twice.end());
  return found;
}

}  // namespace

Instruments::Instruments(std::span<std::byte> memory, std::uint64_t capacity)
    : counters(memory.first(kCountersBytes)),
      top(memory.subspan(kCountersBytes)),
      redis(*reinterpret_cast<RedisCounters::Shared*>(memory.data() + kRedisAt)),
      guards_(*reinterpret_cast<GuardMemory*>(memory.data() + kGuardsAt)),
      census_(capacity) {}

void Instruments::refresh(const MemoryStore& store, Micros now_us) {
  const std::lock_guard lock(census_mutex_);
  census_.refresh(now_us, [&](std::size_t part, std::size_t parts) {
    return store.entries(ticks_from_micros(now_us), part, parts);
  });
}

void Instruments::read(const Engine& engine, const MemoryStore& store, Micros now_us,
                       std::size_t top_clients, Status& out) {
  out.totals = counters.rows();
  out.tokens = counters.tokens();
  out.identity_warnings = counters.warnings();
  out.admin_denied = counters.admin_denied();
  out.log_lines_lost = counters.lost_lines();
  out.busiest = busiest(engine, top, now_us, top_clients);
  refresh(store, now_us);
  const StoreStats stats = store.counts();
  out.store = {.entries = 0,
               .capacity = stats.capacity,
               .evictions = stats.evictions,
               .overflow = stats.overflow,
               .conflicts = stats.conflicts,
               .repairs = stats.repairs};
  const std::lock_guard lock(census_mutex_);
  out.store.entries = census_.entries();
}

}  // namespace tidegate::posix
