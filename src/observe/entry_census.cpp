#include "observe/entry_census.hpp"

#include <algorithm>
#include <numeric>

namespace tidegate {
namespace {

/// A part of so many entries is counted in a tenth of a millisecond.
constexpr std::uint64_t kEntriesPerPart = 32'768;

}  // namespace

EntryCensus::EntryCensus(std::uint64_t capacity)
    : counted_(std::max<std::uint64_t>(capacity / kEntriesPerPart, 1)) {}

void EntryCensus::refresh(Micros now_us,
                          FunctionRef<std::uint64_t(std::size_t part, std::size_t parts)> count) {
  const std::size_t parts = counted_.size();
  const Micros passed_us = now_us - std::min(refreshed_us_, now_us);
  const bool all = refreshed_us_ == 0 || passed_us >= kLife_us;
  const std::size_t due = all ? parts : passed_us * parts / kLife_us;
  for (std::size_t i = 0; i < due; ++i) {
    counted_[next_] = count(next_, parts);
    next_ = (next_ + 1) % parts;
  }
  // What is too short for a part adds up.
  refreshed_us_ = all ? now_us : refreshed_us_ + due * kLife_us / parts;
}

std::uint64_t EntryCensus::entries() const { return std::reduce(counted_.begin(), counted_.end()); }

}  // namespace tidegate
