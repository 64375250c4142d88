// Time, chance and the order of events, all from one seed: whoever runs the same seed again sees
// the same, byte for byte.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.hpp"

namespace tidegate::simulation {

/// One thread. Microseconds; the world begins at kBegin.
class World {
 public:
  static constexpr Micros kBegin = 1'700'000'000'000'000;
  using Action = std::function<void()>;

  /// `traced`: every note is printed.
  World(std::uint64_t seed, bool traced) : random_(seed), traced_(traced) {}

  [[nodiscard]] Micros now() const { return now_; }

  /// Those of one moment happen in the order in which they were planned.
  void at(Micros time, Action action) {
    events_.push({std::max(time, now_), ++planned_, std::move(action)});
  }
  void after(Micros delay, Action action) { at(now_ + delay, std::move(action)); }
  void run_until(Micros end) {
    while (!events_.empty() && events_.top().time <= end) {
      // The queue shows its top as constant, and it is popped at once.
      const Action action = std::move(const_cast<Event&>(events_.top()).action);
      now_ = events_.top().time;
      events_.pop();
      action();
    }
    now_ = end;
  }

  [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
  /// Both ends included.
  [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  /// One in `n`.
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class List>
  [[nodiscard]] auto& one_of(List& list) {
    return list[below(list.size())];
  }

  /// What has happened; part of what two runs of a seed are compared by.
  void note(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0,
            std::string_view bytes = {}) {
    mix(now_);
    mix(a);
    mix(b);
    for (const std::string_view text : {what, bytes}) {
      for (const char c : text) mix(static_cast<unsigned char>(c));
    }
    if (!traced_) return;
    const Micros at = now_ - kBegin;
    fmt::print("{:4}.{:06} {} {} {} {}\n", at / 1'000'000, at % 1'000'000, what, a, b,
               readable(bytes));
  }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  struct Event {
    Micros time = 0;
    std::uint64_t number = 0;
    Action action;
    bool operator<(const Event& other) const {  // the queue has its largest on top
      return std::pair(time, number) > std::pair(other.time, other.number);
    }
  };

  void mix(std::uint64_t value) {  // FNV-1a, by words
    digest_ = (digest_ ^ value) * 0x0000'0100'0000'01b3;
    digest_ ^= digest_ >> 29;
  }
  static std::string readable(std::string_view bytes) {
    constexpr std::size_t kShown = 240;
    std::string text;
    for (const char c : bytes.substr(0, kShown)) text += c >= ' ' && c <= '~' ? c : '.';
    return text;
  }

  std::mt19937_64 random_;
  bool traced_;
  Micros now_ = kBegin;
  std::uint64_t planned_ = 0;
  std::priority_queue<Event> events_;
  std::uint64_t digest_ = 0xcbf2'9ce4'8422'2325;
};

}  // namespace tidegate::simulation
