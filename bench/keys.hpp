// The keys of a benchmark: made before the clock starts, lying in memory in the order of the calls.
// The peers of other languages read the same ones from files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/fail.hpp"

namespace tidegate::bench {

inline constexpr std::size_t kKeyLength = 20;

/// Key number `n`, as a client's text would look: "ip:client-0001234567".
class Key {
 public:
  explicit Key(std::uint64_t n) {
    for (std::size_t i = kKeyLength; i-- > kKeyLength - 10; n /= 10) {
      text_[i] = static_cast<char>('0' + n % 10);
    }
  }
  [[nodiscard]] std::string_view view() const { return {text_, kKeyLength}; }

 private:
  char text_[kKeyLength + 1] = "ip:client-0000000000";
};

/// Keys of many calls, one behind the other.
class KeyStream {
 public:
  template <class Draw>
  KeyStream(std::size_t calls, Draw&& draw) {
    text_.reserve(calls * kKeyLength);
    for (std::size_t i = 0; i < calls; ++i) {
      const Key key(draw());
      text_.insert(text_.end(), key.view().begin(), key.view().end());
    }
  }
  /// Of a file that write() has made. What cannot be read ends the program.
  explicit KeyStream(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    text_.assign(std::istreambuf_iterator<char>(file), {});
    if (!file || text_.empty()) fail(path + ": no keys can be read");
  }
  void write(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    file.write(text_.data(), static_cast<std::streamsize>(text_.size()));
    if (!file.flush()) fail(path + ": cannot be written");
  }
  [[nodiscard]] std::size_t size() const { return text_.size() / kKeyLength; }
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    return {text_.data() + i * kKeyLength, kKeyLength};
  }

 private:
  std::vector<char> text_;
};

/// Zipf-distributed numbers 0 to n - 1 by rejection-inversion (W. Hoermann and G. Derflinger,
/// "Rejection-inversion to generate variates from monotone discrete distributions", 1996).
class Zipf {
 public:
  Zipf(std::uint64_t n, double exponent)
      : n_(static_cast<double>(n)),
        s_(exponent),
        low_(integral(1.5) - 1.0),
        high_(integral(n_ + 0.5)) {}

  template <class Random>
  std::uint64_t operator()(Random& random) {
    for (;;) {
      const double u = low_ + (high_ - low_) * std::generate_canonical<double, 53>(random);
      const double x = inverse(u);
      const double k = std::clamp(std::floor(x + 0.5), 1.0, n_);
      if (u >= integral(k + 0.5) - std::pow(k, -s_)) return static_cast<std::uint64_t>(k) - 1;
    }
  }

 private:
  [[nodiscard]] double integral(double x) const { return (std::pow(x, 1 - s_) - 1) / (1 - s_); }
  [[nodiscard]] double inverse(double y) const { return std::pow(1 + y * (1 - s_), 1 / (1 - s_)); }

  double n_;
  double s_;
  double low_;
  double high_;
};

}  // namespace tidegate::bench
