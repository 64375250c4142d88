// Progressive penalties as lists of what happened: every violation with its time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace tidegate::reference {

/// Of one client.
class Penalties {
 public:
  Penalties(std::uint64_t detection_us, std::size_t threshold,
            std::vector<std::uint32_t> multipliers)
      : detection_us_(detection_us), threshold_(threshold), multipliers_(std::move(multipliers)) {}

  /// How long he is still locked out; nothing if he is not.
  [[nodiscard]] std::optional<std::uint64_t> left_us(std::uint64_t now_us) const {
    return locked_until_us_ > now_us ? std::optional(locked_until_us_ - now_us) : std::nullopt;
  }

  /// Whether the last rejection started a cooldown.
  [[nodiscard]] bool started() const { return started_; }

  /// A rejection by a window of a rule.
  void rejected(int rule, std::uint64_t window_us, std::uint64_t now_us) {
    started_ = false;
    const auto last = violations_.find(rule);
    if (last != violations_.end() && now_us < last->second.at_us + last->second.window_us) return;
    violations_[rule] = {now_us, window_us};

    // One before the first does not belong to its period.
    if (!counted_.empty() && now_us < counted_.front()) return;
    if (counted_.empty() || now_us >= counted_.front() + detection_us_) counted_.clear();
    counted_.push_back(now_us);
    if (counted_.size() < threshold_) return;
    const std::size_t step = std::min(counted_.size() - threshold_, multipliers_.size() - 1);
    __extension__ using Wide = unsigned __int128;
    constexpr std::uint64_t kYear_us = std::uint64_t{366} * 86'400 * 1'000'000;
    const Wide length_us = Wide{window_us} * multipliers_[step];
    const auto capped_us = static_cast<std::uint64_t>(std::min<Wide>(length_us, kYear_us));
    started_ = true;
    locked_until_us_ = std::max(locked_until_us_, now_us + capped_us);
  }

 private:
  struct Violation {
    std::uint64_t at_us;
    std::uint64_t window_us;
  };

  std::uint64_t detection_us_;
  std::size_t threshold_;
  std::vector<std::uint32_t> multipliers_;
  std::map<int, Violation> violations_;  ///< the last one under each rule
  std::vector<std::uint64_t> counted_;
  std::uint64_t locked_until_us_ = 0;
  bool started_ = false;
};

}  // namespace tidegate::reference
