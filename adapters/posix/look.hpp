// How a segment is doing, for who has no limiter on it: a command beside the server.
#pragma once

#include <expected>

#include "tidegate/config.hpp"
#include "tidegate/error.hpp"
#include "tidegate/status.hpp"

namespace tidegate::posix {

/// Opens the segment that the configuration names, which must be there, reads its status and closes
/// it again: so a segment that was removed and made anew meanwhile is found, and nobody who watches
/// keeps one in use. `started_us` is 0, and entries are counted exactly.
[[nodiscard]] std::expected<Status, Error> look(const LoadedConfig& loaded);

}  // namespace tidegate::posix
