// A generation: one configuration in force, compiled and bound to the segment. A reload makes the
// next one, for all processes of the segment.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/posix/segment.hpp"
#include "engine/engine.hpp"
#include "store/memory/store.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate::posix {

/// Points into the segment's mapping. Immutable but for the counts.
struct Generation : std::enable_shared_from_this<Generation> {
  std::uint64_t number = 0;
  LoadedConfig loaded;
  std::unique_ptr<MemoryStore> store;  ///< an attachment of its own
  std::unique_ptr<Engine> engine;

  [[nodiscard]] const RateLimitConfig& config() const { return loaded.config; }
};

struct Opened {
  Segment segment;
  std::shared_ptr<Generation> generation;
  /// The configuration that was in force is now replaced by another one: its file. Else nothing.
  std::optional<std::string> replaced;
};

/// Opens the segment that a configuration names, creating it where it is not there, and puts the
/// configuration in force if another one was. An error says what could not be opened and what would
/// help.
[[nodiscard]] std::expected<Opened, Error> open_and_put_in_force(const LoadedConfig& loaded);
/// Opens the segment that a configuration names, which must be there, with the configuration that
/// is in force: for commands that look into it.
[[nodiscard]] std::expected<Opened, Error> open_in_force(const RateLimitConfig& config);

using Faults = std::vector<Fault>;

/// What a program has declared itself.
using ProgramRules = std::vector<EndpointConfig>;

/// A reload: puts a configuration in force for all processes of the segment, or says everything
/// that is wrong and changes nothing. Counted in the segment's configuration state either way.
/// `rules` come with it in this process alone.
[[nodiscard]] std::expected<std::shared_ptr<Generation>, Faults> put_in_force(
    const Segment& segment, const LoadedConfig& loaded, const ProgramRules& rules = {});

/// The generation in force, with the environment and the rules of this process. For whoever sees
/// that its number has changed. Faults are those that the environment makes.
[[nodiscard]] std::expected<std::shared_ptr<Generation>, Faults> take_up(const Segment& segment,
                                                                         const ProgramRules& rules);

/// For logs: the file of a configuration, or what it is instead.
[[nodiscard]] std::string source_of(const LoadedConfig& loaded);

/// Notes that a reload was refused before it came to put_in_force: its file has faults.
void note_refused(const Segment& segment, const Faults& faults);

}  // namespace tidegate::posix
