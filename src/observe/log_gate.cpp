#include "observe/log_gate.hpp"

#include <algorithm>
#include <utility>

namespace tidegate {

std::optional<std::uint64_t> LogGate::pass(const Decision& decision) {
  const WindowState& window = *decision.spoken_of();
  const Hash128 client = siphash128(key_, decision.client.client_id);
  const Hash128 rule = siphash128(key_, window.rule);
  // That a client is locked out is news, also right after it was refused.
  const std::uint64_t locked_out = decision.denial == Denial::penalty_active ? 2 : 0;
  const std::uint64_t tag = ((client.low ^ rule.high ^ window.window_us) & ~3ULL) | locked_out | 1;
  auto& set = sets_[(client.high ^ rule.low) % kSets];

  auto* const found = std::ranges::find(set, tag, &Slot::tag);
  Slot& slot = found != set.end() ? *found : *std::ranges::min_element(set, {}, &Slot::until_us);
  if (slot.tag != tag) slot = {.tag = tag};
  if (decision.time_us < slot.until_us) {
    ++slot.held_back;
    return std::nullopt;
  }
  slot.until_us = saturating_add(decision.time_us, window.window_us);
  return std::exchange(slot.held_back, 0);
}

}  // namespace tidegate
