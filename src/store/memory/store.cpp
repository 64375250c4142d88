#include "store/memory/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "store/memory/store_core.hpp"

namespace tidegate {
namespace {

using Core = StoreCore<NoHooks>;
static_assert(MemoryStore::kMaxGroup == Core::kMaxGroup);

Error differs(const char* what, std::uint64_t found, std::uint64_t wanted) {
  return {fmt::format("the table has {} {}, this program wants {}", what, found, wanted)};
}

}  // namespace

struct MemoryStore::Impl {
  Impl(std::span<std::byte> bytes, const StoreGeometry& its_geometry, std::uint64_t attachment,
       Ticks its_furthest)
      : memory(bytes),
        geometry(its_geometry),
        header(*reinterpret_cast<StoreHeader*>(bytes.data())),
        furthest(its_furthest),
        core(bytes.data(), its_geometry, attachment, its_furthest) {}

  /// The epochs of the rules, by their numbers.
  [[nodiscard]] std::expected<std::vector<Epoch*>, Error> find_epochs(
      std::span<Counter* const> counters) const;

  std::span<std::byte> memory;
  StoreGeometry geometry;
  StoreHeader& header;
  Ticks furthest;
  Core core;
};

MemoryStore::MemoryStore() = default;
MemoryStore::~MemoryStore() = default;

std::size_t MemoryStore::bytes_needed(const StoreGeometry& geometry) {
  return StoreLayout(geometry).size;
}

void MemoryStore::format(std::span<std::byte> memory, const StoreGeometry& geometry) {
  auto& header = *new (memory.data()) StoreHeader{};
  header.layout = StoreHeader::kLayout;
  header.capacity = geometry.capacity;
  header.log_slots = geometry.log_slots;
  header.magic.store(StoreHeader::kMagic, std::memory_order_release);
}

std::expected<std::unique_ptr<MemoryStore>, Error> MemoryStore::attach(
    std::span<std::byte> memory, const StoreGeometry& geometry, Ticks furthest) {
  if (memory.size() != bytes_needed(geometry)) {
    return std::unexpected(differs("bytes", memory.size(), bytes_needed(geometry)));
  }
  auto& header = *reinterpret_cast<StoreHeader*>(memory.data());
  if (const auto magic = header.magic.load(std::memory_order_acquire);
      magic != StoreHeader::kMagic) {
    return std::unexpected(differs("magic", magic, StoreHeader::kMagic));
  }
  if (header.layout != StoreHeader::kLayout) {
    return std::unexpected(differs("layout", header.layout, StoreHeader::kLayout));
  }
  if (header.capacity != geometry.capacity) {
    return std::unexpected(differs("capacity", header.capacity, geometry.capacity));
  }
  if (header.log_slots != geometry.log_slots) {
    return std::unexpected(differs("log_slots", header.log_slots, geometry.log_slots));
  }
  std::unique_ptr<MemoryStore> store(new MemoryStore);
  store->impl_ =
      std::make_unique<Impl>(memory, geometry, header.attachments.fetch_add(1), furthest);
  return store;
}

std::expected<std::vector<Epoch*>, Error> MemoryStore::Impl::find_epochs(
    std::span<Counter* const> counters) const {
  const std::span all(reinterpret_cast<Epoch*>(memory.data() + StoreLayout(geometry).epochs_at),
                      kEpochs);
  std::vector<Epoch*> found(1, all.data());
  for (const Counter* counter : counters) {
    if (counter->rule >= found.size()) found.resize(counter->rule + 1, all.data());
    found[counter->rule] = find_epoch(all, counter->key.high | 1);
    if (found[counter->rule] == nullptr) {
      return std::unexpected(Error{fmt::format(
          "the segment has seen {} names of rules, which is all it can keep apart: stop the "
          "programs that use it and remove it (tidegate segment remove)",
          kEpochs)});
    }
  }
  return found;
}

std::expected<void, Error> MemoryStore::bind(std::span<Counter* const> counters, Ticks now,
                                             bool alone) {
  auto epochs = impl_->find_epochs(counters);
  if (!epochs) return std::unexpected(epochs.error());
  const auto shares = hand_out(impl_->core.shared(), counters, now, alone);
  if (!shares) return std::unexpected(shares.error());
  impl_->core.set_epochs(std::move(*epochs));
  impl_->core.set_rings(*shares);
  return {};
}

void MemoryStore::after_fork() { impl_->core.renumber(impl_->header.attachments.fetch_add(1)); }

void MemoryStore::apply(std::span<const Charge> charges, Ticks now, std::span<Verdict> verdicts) {
  now = std::min(now, kLatest);
  if (charges.size() == 1) {
    impl_->core.decide(charges[0], now, verdicts[0]);
  } else if (charges.size() <= kMaxGroup) {
    impl_->core.decide_group(charges, now, verdicts.data());
  } else {
    std::ranges::fill(verdicts, Verdict{});
  }
}

Cooldown MemoryStore::apply(std::span<const Charge> charges, Ticks now, std::span<Verdict> verdicts,
                            const Penalties& penalties, const Hash128& client) {
  if (charges.size() <= kMaxGroup) {
    return impl_->core.decide_group(charges, std::min(now, kLatest), verdicts.data(), penalties,
                                    client);
  }
  std::ranges::fill(verdicts, Verdict{});
  return {};
}

void MemoryStore::apply(std::span<const Charge> charges, std::span<const std::uint32_t> group_ends,
                        Ticks now, std::span<Verdict> verdicts) {
  now = std::min(now, kLatest);
  if (group_ends.size() == charges.size()) {  // every group is one charge
    impl_->core.decide(charges, now, verdicts.data());
    return;
  }
  impl_->core.decide_groups(charges, group_ends, now, verdicts.data());
}

Verdict MemoryStore::peek(const Counter& counter, Hash128 client, Ticks now) const {
  const Charge look{&counter, client, 0};
  return impl_->core.peek(look, std::min(now, kLatest));
}

Micros MemoryStore::peek_cooldown(const Penalties& penalties, Hash128 client, Ticks now) const {
  const Ticks until = impl_->core.cooldown_until(penalties, client, std::min(now, kLatest));
  return until > now ? micros_ceil(until - now) : 0;
}

bool MemoryStore::reset(const Counter& counter, Hash128 client, Ticks now) {
  return impl_->core.reset({&counter, client, 0}, std::min(now, kLatest));
}

bool MemoryStore::reset(const Penalties& penalties, Hash128 client, Ticks now) {
  return impl_->core.reset(penalties, client, std::min(now, kLatest));
}

void MemoryStore::reset_all(std::span<const Counter* const> counters, Ticks now) {
  impl_->core.reset_all(counters, std::min(now, kLatest));
}

StoreStats MemoryStore::stats(Ticks now) const {
  StoreStats stats = counts();
  stats.entries = entries(now, 0, 1);
  return stats;
}

StoreStats MemoryStore::counts() const { return impl_->core.counts(impl_->geometry.capacity); }

std::uint64_t MemoryStore::entries(Ticks now, std::size_t part, std::size_t parts) const {
  return impl_->core.entries(now, part, parts);
}

}  // namespace tidegate
