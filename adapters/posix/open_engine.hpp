// A configuration and its segment, opened and bound together: what a server, a command and a
// library all begin with.
#pragma once

#include <expected>
#include <memory>

#include "adapters/posix/segment.hpp"
#include "engine/engine.hpp"
#include "store/memory/store.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// The engine on its segment. `store` and `engine` point into `segment`'s mapping.
struct OpenEngine {
  Segment segment;
  StoreGeometry geometry;
  std::unique_ptr<MemoryStore> store;
  std::unique_ptr<Engine> engine;
};

enum class OpenMode : std::uint8_t {
  create,   ///< the segment is created if it is not there
  existing  ///< it must be there (for commands that look into one)
};

/// An error says what could not be opened and what would help.
[[nodiscard]] std::expected<OpenEngine, Error> open_engine(const RateLimitConfig& config,
                                                           OpenMode mode);

}  // namespace tidegate::posix
