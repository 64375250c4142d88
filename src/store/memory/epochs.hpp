// Epochs of rules: a number that is part of the hash of every key of the rule. Counting it up
// forgets all the rule's clients at once; what they had counted stays behind under keys that nobody
// looks for, until it expires.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/hash.hpp"

namespace tidegate {

struct Epoch {
  std::atomic<std::uint64_t> rule;  ///< names it; 0: not used yet
  std::atomic<std::uint64_t> number;
};

/// As many rules as can ever have been in force in one segment: twice the most that one
/// configuration may have.
inline constexpr std::size_t kEpochs = 65'536;

/// The epoch of a rule, which gets one if it has none; null if all are taken. An epoch once given
/// stays the rule's for ever, so two processes never see two. `rule` is any number but 0, evenly
/// spread.
[[nodiscard]] inline Epoch* find_epoch(std::span<Epoch> epochs, std::uint64_t rule) {
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    Epoch& epoch = epochs[(rule + i) % epochs.size()];
    std::uint64_t seen = epoch.rule.load(std::memory_order_acquire);
    if (seen == 0 && epoch.rule.compare_exchange_strong(seen, rule)) return &epoch;
    if (seen == rule) return &epoch;
  }
  return nullptr;
}

/// A counter's name in an epoch. Number 0 changes nothing. Places change too: else the forgotten
/// and the new entries of a client would crowd the same buckets.
[[nodiscard]] inline Hash128 in_epoch(const Hash128& key, std::uint64_t number) {
  return {key.low ^ number * 0x9e37'79b9'7f4a'7c15, key.high ^ number * 0xc2b2'ae3d'27d4'eb4f};
}

}  // namespace tidegate
