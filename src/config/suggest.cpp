#include "config/suggest.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace tidegate::config {
namespace {
constexpr std::size_t kLooked = 64;
}

std::size_t edit_distance(std::string_view from, std::string_view to) {
  from = from.substr(0, kLooked);
  to = to.substr(0, kLooked);
  using Row = std::array<std::size_t, kLooked + 1>;
  Row before_last{};
  Row last{};
  Row row{};
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, row);
  }
  return last[to.size()];
}

std::string_view nearest(std::string_view text, std::span<const std::string> words) {
  std::string_view best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& word : words) {
    const std::size_t distance = edit_distance(text, word);
    if (distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace tidegate::config
