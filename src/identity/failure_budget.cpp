#include "identity/failure_budget.hpp"

#include <algorithm>
#include <span>

namespace tidegate {
namespace {

// A slot is one word: 26 bits tell the address from others of its set, 16 bits are the second, 22
// the count. A slot of 18 hours ago may pass for one of now: that costs somebody one second.
constexpr unsigned kCountBits = 22;
constexpr unsigned kSecondBits = 16;
constexpr std::uint64_t kMaxCount = (std::uint64_t{1} << kCountBits) - 1;
constexpr std::uint64_t kSecondMask = (std::uint64_t{1} << kSecondBits) - 1;

std::uint64_t count_of(std::uint64_t slot) { return slot & kMaxCount; }
std::uint64_t second_of(std::uint64_t slot) { return slot >> kCountBits & kSecondMask; }
std::uint64_t tag_of(std::uint64_t slot) { return slot >> (kCountBits + kSecondBits); }

std::uint64_t slot_of(std::uint64_t tag, std::uint64_t second, std::uint64_t count) {
  return (tag << kSecondBits | second) << kCountBits | std::min(count, kMaxCount);
}
std::uint64_t tag_of_address(std::uint64_t address) {
  return address >> (kCountBits + kSecondBits);
}
std::uint64_t second_at(Micros now_us) { return now_us / 1'000'000 & kSecondMask; }

}  // namespace

FailureBudget::FailureBudget(std::uint32_t max_a_second)
    : max_a_second_(max_a_second), slots_(kSets * kWays) {}

bool FailureBudget::spent(std::uint64_t address, Micros now_us) const {
  const std::span set(&slots_[address % kSets * kWays], kWays);
  return std::ranges::any_of(set, [&](const Slot& slot) {
    const std::uint64_t word = slot.load(std::memory_order_relaxed);
    return tag_of(word) == tag_of_address(address) && second_of(word) == second_at(now_us) &&
           count_of(word) >= max_a_second_;
  });
}

void FailureBudget::spend(std::uint64_t address, Micros now_us, std::uint32_t failures) {
  const std::span set(&slots_[address % kSets * kWays], kWays);
  const std::uint64_t tag = tag_of_address(address);
  const std::uint64_t now = second_at(now_us);
  const auto worth = [&](std::uint64_t word) -> std::uint64_t {
    if (count_of(word) == 0 || second_of(word) != now) return 0;
    return tag_of(word) == tag ? kMaxCount + 1 : count_of(word);
  };
  // A race that is lost is one failure that is not counted, or counted again: no matter.
  for (Slot& slot : set) {
    std::uint64_t word = slot.load(std::memory_order_relaxed);
    while (worth(word) > kMaxCount) {
      const std::uint64_t next = slot_of(tag, now, count_of(word) + failures);
      if (slot.compare_exchange_weak(word, next, std::memory_order_relaxed)) return;
    }
  }
  Slot& least = *std::ranges::min_element(
      set, {}, [&](const Slot& slot) { return worth(slot.load(std::memory_order_relaxed)); });
  least.store(slot_of(tag, now, failures), std::memory_order_relaxed);
}

}  // namespace tidegate
