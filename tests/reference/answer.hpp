// What an exact reference answers, and how it finds its times: by looking for them.
//
// A reference keeps plain counts and knows one thing about a time: would this cost fit now? All
// else follows from asking that question, so that no formula of the engine is repeated here. Nobody
// takes anything while time passes, so what fits once fits ever after, and halving finds the first
// microsecond at which it does.
#pragma once

#include <cstdint>
#include <ostream>

namespace tidegate::reference {

struct Answer {
  bool admitted = false;
  std::uint64_t remaining = 0;
  std::uint64_t reset_us = 0;        ///< from the request's own time
  std::uint64_t retry_after_us = 0;  ///< 0 if admitted
  std::uint64_t more_after_us = 0;   ///< until one more fits for somebody who takes all at once

  friend bool operator==(const Answer&, const Answer&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Answer& answer) {
    return out << (answer.admitted ? "admitted" : "rejected") << ", remaining " << answer.remaining
               << ", reset " << answer.reset_us << " us, retry after " << answer.retry_after_us
               << " us, more after " << answer.more_after_us << " us";
  }
};

/// The smallest number from `low` to `high` for which `holds`. It must hold for `high`, and from
/// some number on for all.
template <class Predicate>
std::uint64_t first_from(std::uint64_t low, std::uint64_t high, Predicate&& holds) {
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (holds(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// A reference offers
//   fits(now_us, cost)   would it be admitted?
//   take(now_us, cost)   count it
//   capacity()           the largest cost that ever fits
//   span_us()            after which all is forgotten, counted from the latest time it has seen
//   latest_us(now_us)    the later of now and the latest time it has seen
//   seen_at(now_us)      itself, as a request of that time sees it and is told to wait by

/// What a request is told that was admitted (and counted), or was not.
template <class Reference>
Answer tell(const Reference& reference, std::uint64_t now_us, std::uint64_t cost, bool admitted) {
  const auto wait_for = [now_us](const Reference& state, std::uint64_t units) {
    const std::uint64_t by = state.latest_us(now_us) + state.span_us();
    return first_from(now_us, by, [&](std::uint64_t us) { return state.fits(us, units); }) - now_us;
  };
  Answer answer{.admitted = admitted};
  Reference seen = reference.seen_at(now_us);
  if (!admitted) answer.retry_after_us = wait_for(seen, cost);
  const std::uint64_t capacity = reference.capacity();
  answer.remaining = capacity - first_from(0, capacity, [&](std::uint64_t taken) {
                       return seen.fits(now_us, capacity - taken);
                     });
  answer.reset_us = wait_for(seen, capacity);

  if (answer.remaining != 0) seen.take(now_us, answer.remaining);
  answer.more_after_us = wait_for(seen, 1);
  return answer;
}

/// Decides, and counts what is admitted.
template <class Reference>
Answer decide(Reference& reference, std::uint64_t now_us, std::uint64_t cost) {
  const bool admitted = cost == 0 || reference.fits(now_us, cost);
  if (admitted && cost != 0) reference.take(now_us, cost);
  return tell(reference, now_us, cost, admitted);
}

}  // namespace tidegate::reference
