#include "adapters/posix/open_engine.hpp"

#include <utility>

namespace tidegate::posix {

std::expected<OpenEngine, Error> open_engine(const RateLimitConfig& config, OpenMode mode) {
  auto segment = mode == OpenMode::create ? Segment::open(config) : Segment::open_existing(config);
  if (!segment) return std::unexpected(segment.error());

  auto compiled = Policy::compile(config, segment->hash_key());
  if (!compiled) return std::unexpected(compiled.error());

  const StoreGeometry geometry{config.memory.capacity, config.memory.log_slots};
  auto store = MemoryStore::attach(segment->store_memory(), geometry);
  if (!store) return std::unexpected(store.error());
  {
    const auto turn = segment->take_turn();
    if (!turn) return std::unexpected(turn.error());
    if (auto bound = (*store)->bind((*compiled)->counters_to_bind(),
                                    ticks_from_micros(segment->now_us()), turn->alone());
        !bound) {
      return std::unexpected(bound.error());
    }
  }
  auto engine = std::make_unique<Engine>(std::move(*compiled), **store);
  return OpenEngine{std::move(*segment), geometry, std::move(*store), std::move(engine)};
}

}  // namespace tidegate::posix
