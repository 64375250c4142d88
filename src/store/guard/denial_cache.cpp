#include "store/guard/denial_cache.hpp"

#include <algorithm>
#include <optional>

namespace tidegate {
namespace {

/// Names the counts that a check would be charged to. Nothing for a check that must be asked: of
/// windows of several rules, whose costs differ, with shadow rules, which count what others deny,
/// or a look, which is never denied.
std::optional<Hash128> group_of(const Check& check) {
  const std::span<const Charge> charges = check.charges;
  if (charges.empty() || charges.size() != check.enforced || charges.size() > kMaxWindowsPerRule) {
    return std::nullopt;
  }
  Hash128 group;
  const auto mix = [&group](const Hash128& with) {
    // Multiplied after each step: what came before must not be undone by an equal part.
    group.low = (group.low ^ with.low) * 0x9e37'79b9'7f4a'7c15;
    group.high = (group.high ^ with.high) * 0xbf58'476d'1ce4'e5b9;
  };
  mix(check.client);
  for (const Charge& charge : charges) {
    if (charge.cost == 0 || charge.cost != charges.front().cost) return std::nullopt;
    const Window& window = charge.counter->window;
    mix(charge.client);
    mix(charge.counter->key);
    mix({window.limit, window.capacity});  // a tier's limit under this name is another promise
  }
  group.low ^= group.low >> 32U;
  return group;
}

Micros minus(Micros span, Micros passed) { return span > passed ? span - passed : 0; }

}  // namespace

bool DenialCache::denies(const Check& check, Micros now, std::span<Verdict> verdicts,
                         Cooldown& cooldown) const {
  if (entries_.empty()) return false;
  const auto group = group_of(check);
  if (!group) return false;
  const Entry& entry = entries_[group->low % kSize];
  if (entry.group != *group || now >= entry.until || now < entry.asked) return false;
  if (!entry.cooldown && check.charges.front().cost < entry.cost) return false;
  const Micros passed = now - entry.asked;
  for (std::size_t i = 0; i < check.charges.size(); ++i) {
    verdicts[i] = entry.verdicts[i];
    Quota& quota = verdicts[i].quota;
    quota.reset_us = minus(quota.reset_us, passed);
    quota.retry_after_us = minus(quota.retry_after_us, passed);
    quota.more_after_us = minus(quota.more_after_us, passed);
  }
  cooldown = {};
  if (entry.cooldown) cooldown = {.refused = true, .left_us = minus(entry.left, passed)};
  return true;
}

void DenialCache::note(const Check& check, Micros now, std::span<const Verdict> verdicts,
                       const Cooldown& cooldown) {
  Micros left = cooldown.refused ? cooldown.left_us : 0;
  // A rejection that is not asked for is no violation: where they count, only cooldowns are
  // remembered.
  if (check.penalties == nullptr) {
    for (std::size_t i = 0; i < check.enforced; ++i) {
      if (!verdicts[i].admitted) left = std::max(left, verdicts[i].quota.retry_after_us);
    }
  }
  if (left == 0) return;
  const auto group = group_of(check);
  if (!group) return;
  if (entries_.empty()) entries_.resize(kSize);
  Entry& entry = entries_[group->low % kSize];
  entry.group = *group;
  entry.cost = check.charges.front().cost;
  entry.asked = now;
  entry.until = saturating_add(now, std::min(left, kLongest));
  entry.left = left;
  entry.cooldown = cooldown.refused;
  std::ranges::copy(verdicts.first(check.enforced), entry.verdicts.begin());
}

}  // namespace tidegate
