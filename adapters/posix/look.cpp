#include "adapters/posix/look.hpp"

#include "adapters/posix/generation.hpp"
#include "adapters/posix/instruments.hpp"

namespace tidegate::posix {

std::expected<Status, Error> look(const LoadedConfig& loaded) {
  const auto open = open_in_force(loaded.config);
  if (!open) return std::unexpected(open.error());
  const Generation& generation = *open->generation;
  const RateLimitConfig& config = generation.config();
  Instruments instruments(open->segment.counters_memory(), config.memory.capacity);
  Status status;
  status.version = version();
  status.time_us = wall_us();
  status.backend = to_string(config.backend);
  status.failure_mode = to_string(config.failure_mode);
  status.warnings = generation.loaded.warnings;
  status.reloads = open->segment.config().state();
  instruments.read(*generation.engine, *generation.store, open->segment.now_us(),
                   config.top_clients, status);
  return status;
}

}  // namespace tidegate::posix
