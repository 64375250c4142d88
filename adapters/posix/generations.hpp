// The generation in use, which a reload replaces under whoever decides.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "adapters/posix/generation.hpp"

namespace tidegate::posix {

/// Who uses the generation holds a pin; who replaces it waits until all pins of the old one are
/// gone, and destroys it himself. So a decision neither waits nor frees what a policy of ten
/// thousand rules is made of. A pin costs two locked instructions on a line that threads hardly
/// share.
class Generations {
 public:
  explicit Generations(std::shared_ptr<Generation> first)
      : owner_(std::move(first)), current_(owner_.get()) {}
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  class Pin {
   public:
    Pin(std::atomic<std::size_t>& count, const std::atomic<Generation*>& current)
        : count_(count), generation_(entered(count, current)) {}
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() { count_.fetch_sub(1, std::memory_order_release); }
    const Generation* operator->() const { return generation_; }
    const Generation& operator*() const { return *generation_; }

   private:
    static const Generation* entered(std::atomic<std::size_t>& count,
                                     const std::atomic<Generation*>& current) {
      count.fetch_add(1);  // before the look: whoever replaces waits for those who may have looked
      return current.load();
    }

    std::atomic<std::size_t>& count_;
    const Generation* generation_;
  };
  /// Any thread. For as long as one decision takes; who holds one must not replace.
  [[nodiscard]] Pin pin() const { return {pins_[own_place()].count, current_}; }

  /// Returns when nobody has the old one pinned any more. Whoever shares it keeps it for longer.
  void replace(std::shared_ptr<Generation> next) {
    const std::lock_guard lock(replacing_);
    const std::shared_ptr<Generation> old = std::exchange(owner_, std::move(next));
    current_ = owner_.get();
    // A pin taken from here on is one of the new generation.
    for (const Place& place : pins_) {
      while (place.count.load(std::memory_order_acquire) != 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  /// In a child of fork: pins of threads that stayed behind hold nothing.
  void forget_pins() {
    for (Place& place : pins_) place.count = 0;
  }

 private:
  struct alignas(64) Place {
    std::atomic<std::size_t> count{0};
  };
  static constexpr std::size_t kPlaces = 64;

  static std::size_t own_place() {
    static std::atomic<std::size_t> threads = 0;
    thread_local const std::size_t place = threads++ % kPlaces;
    return place;
  }

  mutable std::array<Place, kPlaces> pins_;
  std::shared_ptr<Generation> owner_;
  std::atomic<Generation*> current_;
  std::mutex replacing_;
};

}  // namespace tidegate::posix
