// Numbers as text, and spans of time as the seconds that HTTP speaks of.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace tidegate {

inline constexpr std::uint64_t kMicrosPerSecond = 1'000'000;

/// Rounded up: who waits that long is never early.
[[nodiscard]] constexpr std::uint64_t seconds_ceil(std::uint64_t us) {
  return us / kMicrosPerSecond + (us % kMicrosPerSecond != 0 ? 1 : 0);
}

/// The same, where 0 would say "at once" to somebody who was just refused.
[[nodiscard]] constexpr std::uint64_t retry_seconds(std::uint64_t us) {
  return std::max<std::uint64_t>(seconds_ceil(us), 1);
}

/// The decimal digits of a number, without an allocation.
class Digits {
 public:
  explicit Digits(std::uint64_t number)
      : end_(std::to_chars(digits_.data(), digits_.data() + digits_.size(), number).ptr) {}
  Digits(const Digits&) = delete;
  Digits& operator=(const Digits&) = delete;
  [[nodiscard]] std::string_view text() const { return {digits_.data(), end_}; }

 private:
  std::array<char, 20> digits_{};  // as many as the largest number has
  const char* end_;
};

/// Appends to a string or a buffer.
template <class Out>
void append(Out& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

template <class Out>
void append_number(Out& out, std::uint64_t number) {
  append(out, Digits(number).text());
}

/// Appends seconds with as many decimals as they need: "60", "0.5", "0.000001".
template <class Out>
void append_seconds(Out& out, std::uint64_t us) {
  append_number(out, us / kMicrosPerSecond);
  std::uint64_t rest = us % kMicrosPerSecond;
  if (rest == 0) return;
  std::array<char, 7> decimals{'.'};
  for (std::size_t i = decimals.size() - 1; i > 0; --i, rest /= 10) {
    decimals[i] = static_cast<char>('0' + rest % 10);
  }
  std::string_view text(decimals.data(), decimals.size());
  text.remove_suffix(text.size() - 1 - text.find_last_not_of('0'));
  append(out, text);
}

}  // namespace tidegate
