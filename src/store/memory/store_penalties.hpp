// Penalties in the table. Part of store_core.hpp.
//
// Marks, counts and cooldowns are entries like any other, changed by one swap each. Whoever moves a
// mark forward has made the violation, and he alone counts it; so of many rejections at once one
// counts. Whoever dies between the steps loses that violation and holds up nobody. Without room for
// an entry a violation is not counted: a stranger's would be worse.
#pragma once

namespace tidegate {

template <class Hooks>
Cooldown StoreCore<Hooks>::decide_group(std::span<const Charge> charges, Ticks now,
                                        Verdict* verdicts, const Penalties& penalties,
                                        const Hash128& client) {
  if (const Ticks until = cooldown_until(penalties, client, now); until != 0) {
    for (const Charge& charge : charges) {
      *verdicts++ = peek({charge.counter, charge.client, 0}, now);
    }
    return {.refused = true, .left_us = micros_ceil(until - now)};
  }
  if (decide_group(charges, now, verdicts) != GroupResult::rejected) return {};

  // Of several windows that said no, the one that the answer names: the least left, then the later
  // reset.
  const Charge* rejected = nullptr;
  std::pair<std::uint64_t, Micros> tightest;
  for (const Charge& charge : charges) {
    const Verdict& verdict = *verdicts++;
    const std::pair own(verdict.quota.remaining, ~verdict.quota.reset_us);
    if (verdict.admitted || (rejected != nullptr && own >= tightest)) continue;
    rejected = &charge;
    tightest = own;
  }
  const Ticks until = record_violation(penalties, client, *rejected->counter, now);
  return {.refused = false, .left_us = until > now ? micros_ceil(until - now) : 0};
}

template <class Hooks>
Ticks StoreCore<Hooks>::cooldown_until(const Penalties& penalties, const Hash128& client,
                                       Ticks now) const {
  if (header_.cooldown_until.load() <= now) return 0;
  const Mark mark = mark_of(client ^ penalties.cooldown_key, 0);
  for (;;) {
    const Entry* const entry = table_.find(mark.tag, mark.place);
    if (entry == nullptr) return 0;
    const Entry seen = load(*entry);
    // Else another key's, that came in between.
    if (seen.tag == mark.tag && load_tag(*entry) == mark.tag) {
      return seen.word > now && !is_junk(seen.word, now, furthest_) ? seen.word : 0;
    }
  }
}

/// Gives a key the word that `next(word, t)` makes of its own at time t; 0 is never-seen. Nothing
/// if `next` says nothing, or there is no room.
template <class Hooks>
template <class Next>
std::optional<Ticks> StoreCore<Hooks>::advance(const Mark& mark, Ticks now, Next&& next) {
  for (;;) {
    Hooks::step();
    if (Entry* const entry = table_.find(mark.tag, mark.place); entry != nullptr) {
      const Entry seen = load(*entry);
      if (seen.tag != mark.tag) continue;
      // What nobody wrote says nothing, and must not lock anybody out for years.
      const bool junk = is_junk(seen.word, now, furthest_);
      if (junk) header_.table_times.repairs.fetch_add(1, std::memory_order_relaxed);
      const std::optional<Ticks> word = next(junk ? 0 : seen.word, now);
      Hooks::step();
      if (!word) {
        if (load_tag(*entry) == mark.tag) return std::nullopt;
      } else if (Hooks::swap(*entry, seen, {mark.tag, *word})) {
        return word;
      }
      continue;
    }
    std::optional<Ticks> first;
    const auto word_at = [&](Ticks time) { return first = next(0, time); };
    switch (table_.insert(mark.tag, mark.place, now, numbers_, word_at).result) {
      case Table::Result::inserted:
        return first;
      case Table::Result::full:
      case Table::Result::refused:
        return std::nullopt;
      case Table::Result::exists:
        break;
    }
  }
}

/// A rejection by the counter's window. Returns when the cooldown ends that it started; 0: none.
template <class Hooks>
Ticks StoreCore<Hooks>::record_violation(const Penalties& penalties, const Hash128& client,
                                         const Counter& counter, Ticks now) {
  const Ticks window = counter.window.window;
  // The mark lies beside the rule's windows, where the table has been looked at just now.
  const Hash128 rule = in_epoch(penalty::mark_key(counter), epoch_of(counter));
  const Mark mark = mark_of(client ^ rule, kMaxWindowsPerRule - 1);
  const auto made = advance(mark, now, [&](Ticks word, Ticks at) -> std::optional<Ticks> {
    return word > at ? std::nullopt : std::optional(at + window);
  });
  if (!made) return 0;

  const Mark count = mark_of(client ^ penalties.count_key, 0);
  const auto counted = advance(count, now, [&](Ticks word, Ticks at) {
    return penalty::count_violation(penalties, word, at);
  });
  if (!counted) return 0;
  const Ticks length = penalty::cooldown_of(penalties, penalty::count_of(*counted), window);
  if (length == 0) return 0;

  const Mark cooldown = mark_of(client ^ penalties.cooldown_key, 0);
  const auto until = advance(cooldown, now, [&](Ticks word, Ticks at) {
    const Ticks end = std::max(word, at + length);
    // Before anybody may look for it.
    raise(header_.cooldown_until, end);
    return std::optional(end);
  });
  return until.value_or(0);
}

template <class Hooks>
bool StoreCore<Hooks>::forget(const Mark& mark, Ticks now) {
  return advance(mark, now,
                 [&](Ticks word, Ticks at) {
                   return word > at ? std::optional(long_past()) : std::nullopt;
                 })
      .has_value();
}

template <class Hooks>
bool StoreCore<Hooks>::reset(const Penalties& penalties, const Hash128& client, Ticks now) {
  const bool counted = forget(mark_of(client ^ penalties.count_key, 0), now);
  const bool locked_out = forget(mark_of(client ^ penalties.cooldown_key, 0), now);
  return counted || locked_out;
}

}  // namespace tidegate
