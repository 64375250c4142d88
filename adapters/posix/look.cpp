#include "adapters/posix/look.hpp"

#include "adapters/posix/instruments.hpp"
#include "adapters/posix/open_engine.hpp"

namespace tidegate::posix {

std::expected<Status, Error> look(const LoadedConfig& loaded) {
  const auto open = open_engine(loaded.config, OpenMode::existing);
  if (!open) return std::unexpected(open.error());
  Instruments instruments(open->segment.counters_memory(), open->geometry.capacity);
  Status status;
  status.version = version();
  status.time_us = wall_us();
  status.backend = to_string(loaded.config.backend);
  status.failure_mode = to_string(loaded.config.failure_mode);
  status.warnings = loaded.warnings;
  instruments.read(*open->engine, *open->store, open->segment.now_us(), loaded.config.top_clients,
                   status);
  return status;
}

}  // namespace tidegate::posix
