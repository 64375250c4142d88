#include "store/guard/breaker.hpp"

namespace tidegate {

std::string_view to_string(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::half_open:
      return "half-open";
    case BreakerState::open:
      return "open";
  }
  return "";
}

BreakerState state_of(const BreakerMemory& memory, Micros now) {
  const Micros until = memory.open_until.load();
  if (until == 0) return BreakerState::closed;
  return now < until ? BreakerState::open : BreakerState::half_open;
}

Breaker::Leave Breaker::may_leave(Micros now) {
  const Micros until = memory_.open_until.load(std::memory_order_relaxed);
  if (until == 0) [[likely]]
    return Leave::yes;
  if (now < until) return Leave::no;
  Micros probing = memory_.probe_until.load();
  if (probing > now) return Leave::no;
  const bool ours =
      memory_.probe_until.compare_exchange_strong(probing, now + options_.patience_us);
  return ours ? Leave::probe : Leave::no;
}

bool Breaker::succeed(bool probe) {
  if (probe) return close();
  // An answer that was under way when the breaker opened proves nothing about what comes after.
  if (memory_.failures.load(std::memory_order_relaxed) != 0 && memory_.open_until.load() == 0) {
    memory_.failures = 0;
  }
  return false;
}

bool Breaker::fail(bool probe, Micros now) {
  Micros until = memory_.open_until.load();
  if (probe) memory_.probe_until = 0;
  if (until != 0) {
    // Not where somebody has closed it meanwhile.
    if (probe) memory_.open_until.compare_exchange_strong(until, now + options_.timeout_us);
    return false;
  }
  if (memory_.failures.fetch_add(1) + 1 < options_.threshold) return false;
  Micros closed = 0;
  if (!memory_.open_until.compare_exchange_strong(closed, now + options_.timeout_us)) return false;
  memory_.opened_at = now;
  return true;
}

bool Breaker::close() {
  memory_.failures = 0;
  memory_.probe_until = 0;
  return memory_.open_until.exchange(0) != 0;
}

void Breaker::hurry(Micros now) {
  Micros until = memory_.open_until.load();
  if (until > now) memory_.open_until.compare_exchange_strong(until, now);
}

Micros Breaker::until_probe(Micros now) const {
  const Micros until = memory_.open_until.load();
  return until > now ? until - now : 0;
}

}  // namespace tidegate
