// Memory of the shared table as somebody left it, and requests on it: whatever stands there, each
// request ends, and nobody is let through unlimited.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "store/memory/layout.hpp"
#include "store/memory/store.hpp"

namespace tidegate {
namespace {

constexpr StoreGeometry kGeometry{.capacity = 1, .log_slots = 128};
constexpr std::uint64_t kLimit = 3;
constexpr Ticks kSecond = Ticks{1'000'000} * kTicksPerMicro;
constexpr Ticks kNoon = Ticks{1'800'000'000} * kSecond;
constexpr std::uint64_t kAsked = 12 * kLimit;
constexpr int kSteps = 250;

std::vector<Counter> make_counters() {
  std::vector<Counter> counters;
  for (const Algorithm algorithm : {Algorithm::token_bucket, Algorithm::fixed_window,
                                    Algorithm::sliding_window_counter, Algorithm::sliding_window}) {
    Counter& counter = counters.emplace_back();
    counter.window =
        make_window(algorithm, {.limit = kLimit, .window = std::chrono::seconds(1), .burst = {}});
    counter.key = {counters.size(), counters.size()};
    counter.place = static_cast<std::uint8_t>(counters.size() - 1);
    counter.overflow_count = 4;
    counter.ring_slots = algorithm == Algorithm::sliding_window ? kLimit : 0;
  }
  return counters;
}

/// Reads numbers off the input; 0 where it ends.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  template <class T>
  T take() {
    T value{};
    const std::size_t size = std::min(sizeof value, rest_.size());
    if (size != 0) std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }

 private:
  std::span<const std::uint8_t> rest_;
};

/// Words that may be written: the shared times and counts, and whatever can be reached behind the
/// header. Of the shared words only those that the counters have.
class Target {
 public:
  explicit Target(std::byte* memory) {
    const StoreLayout layout(kGeometry);
    const auto add = [&](std::size_t begin, std::size_t end) {
      for (std::size_t at = begin; at < end; at += 8) {
        words_.push_back(reinterpret_cast<std::uint64_t*>(memory + at));
      }
    };
    add(offsetof(StoreHeader, table_times), sizeof(StoreHeader));
    add(layout.buckets_at, layout.buckets_at + layout.buckets * sizeof(Bucket));
    add(layout.overflow_at, layout.overflow_at + std::size_t{16} * 8);
    add(layout.log_at, layout.log_at + kGeometry.log_slots * 8);
  }
  void write(std::uint16_t at, std::uint64_t value) { *words_[at % words_.size()] = value; }
  void clear() {
    for (std::uint64_t* word : words_) *word = 0;
  }

 private:
  std::vector<std::uint64_t*> words_;
};

struct alignas(kPage) Page {
  std::byte bytes[kPage];
};

/// A client may be forgotten by damage, so he has two allowances at most: the one that was left,
/// and the one the damage gave; and in an overflow that was damaged too the same again.
void expect_bounded(MemoryStore& store, const Counter& counter, Hash128 client, Ticks now) {
  std::uint64_t admitted = 0;
  for (std::uint64_t i = 0; i < kAsked; ++i) {
    const Charge charge{&counter, client, 1};
    Verdict verdict;
    store.apply({&charge, 1}, now, {&verdict, 1});
    admitted += verdict.admitted ? 1 : 0;
    if (verdict.quota.remaining > kLimit) std::abort();
  }
  if (admitted > 4 * kLimit) std::abort();
}

void run(const std::uint8_t* data, std::size_t size) {
  static std::vector<Counter> counters = make_counters();
  static const std::vector<Page> pages(MemoryStore::bytes_needed(kGeometry) / kPage);
  static const std::span memory{const_cast<std::byte*>(pages.front().bytes), pages.size() * kPage};
  static const std::unique_ptr<MemoryStore> store = [] {
    MemoryStore::format(memory, kGeometry);
    auto attached = MemoryStore::attach(memory, kGeometry).value();
    std::vector<Counter*> all;
    for (Counter& counter : counters) all.push_back(&counter);
    if (!attached->bind(all, 0, true)) std::abort();
    return attached;
  }();
  static Target target(memory.data());
  target.clear();

  Input input(data, size);
  for (int step = 0; step < kSteps && !input.empty(); ++step) {
    const auto what = input.take<std::uint8_t>();
    const auto at = input.take<std::uint16_t>();
    const auto value = input.take<std::uint64_t>();
    const Counter& counter = counters[what / 8 % counters.size()];
    const Hash128 client{at, std::uint64_t{at} << 32 | at};
    const Ticks now = what % 2 == 0 ? kNoon : value;
    switch (what / 32) {
      case 0:
      case 1:
        target.write(at, value);
        break;
      case 2:
        target.write(at, kNoon + value % (4 * kSecond));  // near the times that are asked at
        break;
      case 3: {
        std::vector<Charge> group;
        std::vector<Verdict> verdicts(counters.size());
        for (const Counter& each : counters) group.push_back({&each, client, value % (kLimit + 1)});
        store->apply(group, now, verdicts);
        break;
      }
      case 4:
        (void)store->peek(counter, client, now);
        (void)store->stats(now);
        break;
      case 5:
        (void)store->reset(counter, client, now);
        break;
      case 6: {
        const Charge charge{&counter, client, value % (kLimit + 1)};
        Verdict verdict;
        store->apply({&charge, 1}, now, {&verdict, 1});
        break;
      }
      default:
        expect_bounded(*store, counter, client, now);
    }
  }
  for (const Counter& counter : counters) expect_bounded(*store, counter, {1, 1}, kNoon);
}

}  // namespace
}  // namespace tidegate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidegate::run(data, size);
  return 0;
}
