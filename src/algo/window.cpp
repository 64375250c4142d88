#include "algo/window.hpp"

#include <cmath>

namespace tidegate {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

/// The largest root with root x root <= value.
std::uint64_t integer_sqrt(std::uint64_t value) {
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(value)));
  while (Wide{root} * root > value) --root;
  while (Wide{root + 1} * (root + 1) <= value) ++root;
  return root;
}

}  // namespace

Window make_window(Algorithm algorithm, const WindowConfig& config) {
  Window window;
  window.algorithm = algorithm;
  window.limit = config.limit;
  window.capacity =
      algorithm == Algorithm::token_bucket ? config.burst.value_or(config.limit) : config.limit;
  window.window_us = micros_of(config.window);
  window.window = window.window_us * kTicksPerMicro;
  if (window.limit == 0) return window;

  // 366 days are 1.6e17 ticks: the product needs no more than 64 bits, the rounding none at all.
  window.period = ceil_div(window.window, window.limit);
  window.burst = static_cast<Ticks>(Wide{window.capacity} * window.period);
  window.radix = integer_sqrt(window.window);
  window.slice_us = ceil_div(window.window_us, 4096);
  window.slices = ceil_div(window.window_us, window.slice_us);
  return window;
}

}  // namespace tidegate
