#include "adapters/posix/open_engine.hpp"

#include <utility>

namespace tidegate::posix {

std::expected<OpenEngine, Error> open_engine(const RateLimitConfig& config, OpenMode mode) {
  auto segment = mode == OpenMode::create ? Segment::open(config) : Segment::open_existing(config);
  if (!segment) return std::unexpected(segment.error());

  auto compiled = Policy::compile(config, segment->hash_key());
  if (!compiled) return std::unexpected(compiled.error());
  std::shared_ptr<const Policy> policy = std::move(*compiled);

  const StoreGeometry geometry{config.memory.capacity, config.memory.log_slots};
  auto store = MemoryStore::attach(segment->store_memory(), geometry);
  if (!store) return std::unexpected(store.error());
  {
    const auto turn = segment->take_turn();
    if (!turn) return std::unexpected(turn.error());
    if (auto bound = (*store)->bind(policy->counters(), policy->fingerprint(), turn->alone());
        !bound) {
      return std::unexpected(bound.error());
    }
  }
  auto engine = std::make_unique<Engine>(std::move(policy), **store);
  return OpenEngine{std::move(*segment), geometry, std::move(*store), std::move(engine)};
}

std::expected<void, Error> OpenEngine::attach_again() {
  auto again = MemoryStore::attach(segment.store_memory(), geometry);
  if (!again) return std::unexpected(again.error());
  auto policy = engine->shared_policy();
  if (auto bound = (*again)->bind(policy->counters(), policy->fingerprint(), false); !bound) {
    return std::unexpected(bound.error());
  }
  engine = std::make_unique<Engine>(std::move(policy), **again);
  store = std::move(*again);
  return {};
}

}  // namespace tidegate::posix
