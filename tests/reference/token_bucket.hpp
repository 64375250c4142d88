// A bucket of tokens, kept as what is missing from it: fractions of a token in 128 bits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tests/reference/answer.hpp"

namespace tidegate::reference {

/// One token comes back every ceil(window x 5040 / limit) parts of 1/5040 us; the bucket holds
/// `burst`.
class TokenBucket {
 public:
  TokenBucket(std::uint64_t limit, std::uint64_t window_us, std::uint64_t burst)
      : burst_(burst), token_((Wide{window_us} * 5040 + limit - 1) / limit) {}

  [[nodiscard]] bool fits(std::uint64_t now_us, std::uint64_t cost) const {
    return missing_at(now_us) + cost * token_ <= burst_ * token_;
  }
  void take(std::uint64_t now_us, std::uint64_t cost) {
    missing_ = missing_at(now_us) + cost * token_;
    since_us_ = static_cast<Signed>(now_us);
  }
  [[nodiscard]] std::uint64_t capacity() const { return static_cast<std::uint64_t>(burst_); }
  [[nodiscard]] std::uint64_t span_us() const {
    return static_cast<std::uint64_t>(burst_ * token_ / 5040 + 1);
  }
  [[nodiscard]] static std::uint64_t latest_us(std::uint64_t now_us) { return now_us; }
  /// A request whose time went back sees an empty bucket that fills from its own time on.
  [[nodiscard]] TokenBucket seen_at(std::uint64_t now_us) const {
    TokenBucket seen = *this;
    seen.take(now_us, 0);
    return seen;
  }
  friend bool operator==(const TokenBucket&, const TokenBucket&) = default;

 private:
  __extension__ using Wide = unsigned __int128;
  __extension__ using Signed = __int128;

  /// At an earlier time than the last one more is missing, but never more than the bucket holds.
  [[nodiscard]] Wide missing_at(std::uint64_t now_us) const {
    const Signed refilled = (static_cast<Signed>(now_us) - since_us_) * 5040;
    const Signed missing = static_cast<Signed>(missing_) - refilled;
    return std::min(static_cast<Wide>(std::max(missing, Signed{0})), burst_ * token_);
  }

  Wide burst_;
  Wide token_;
  Wide missing_ = 0;
  Signed since_us_ = 0;
};

}  // namespace tidegate::reference
