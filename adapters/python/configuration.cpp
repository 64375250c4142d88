#include "adapters/python/configuration.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/posix/load_text.hpp"
#include "adapters/python/faults.hpp"
#include "tidegate/config.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

using Loaded = std::expected<LoadedConfig, std::vector<Fault>>;

constexpr double kMicrosOfSecond = 1e6;

double seconds(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / kMicrosOfSecond;
}

LoadedConfig value_of(Loaded loaded) {
  if (!loaded) throw ConfigFaults(loaded.error());
  return std::move(*loaded);
}

/// Faults of a text that nobody has written as such have no places.
std::vector<Fault> without_places(std::vector<Fault> faults) {
  for (Fault& fault : faults) {
    if (fault.line == 0) continue;  // it names a variable of the environment
    fault.file.clear();
    fault.line = 0;
    fault.column = 0;
  }
  return faults;
}

/// Of a text that nobody has written as such.
LoadedConfig value_of_keywords(Loaded loaded) {
  if (!loaded) throw ConfigFaults(without_places(std::move(loaded.error())));
  return std::move(*loaded);
}

LoadedConfig of_keywords(const std::string& toml) {
  return value_of_keywords(posix::load_text(toml, ""));
}

/// The endpoints of a text, as rules that a program names itself.
std::vector<EndpointConfig> rules_of(const std::string& toml) {
  LoadedConfig loaded = value_of_keywords(parse_config(toml, "", {}));
  for (EndpointConfig& rule : loaded.config.endpoints) rule.pattern.clear();
  return std::move(loaded.config.endpoints);
}

/// The same for tests: in a store that nobody shares, of a size that costs no time.
LoadedConfig in_private(const LoadedConfig& loaded) {
  constexpr std::uint64_t kEntries = 10'000;
  LoadedConfig own = loaded;
  own.config.backend = BackendKind::memory;
  own.config.memory.segment.clear();
  own.config.memory.capacity = std::min(own.config.memory.capacity, kEntries);
  own.text = to_toml(own.config);
  return own;
}

}  // namespace

void bind_configuration(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<WindowConfig>(module, "WindowConfig")
      .def_ro("limit", &WindowConfig::limit)
      .def_prop_ro("window", [](const WindowConfig& it) { return seconds(it.window); })
      .def_ro("burst", &WindowConfig::burst);
  nb::class_<LimitConfig>(module, "LimitConfig")
      .def_prop_ro("algorithm",
                   [](const LimitConfig& it) { return std::string(to_string(it.algorithm)); })
      .def_ro("windows", &LimitConfig::windows);
  nb::class_<EndpointConfig>(module, "EndpointConfig")
      .def_ro("name", &EndpointConfig::name)
      .def_ro("pattern", &EndpointConfig::pattern)
      .def_ro("methods", &EndpointConfig::methods)
      .def_ro("limit", &EndpointConfig::limit)
      .def_ro("tiers", &EndpointConfig::tiers)
      .def_ro("cost", &EndpointConfig::cost)
      .def_ro("priority", &EndpointConfig::priority)
      .def_ro("shadow", &EndpointConfig::shadow);
  nb::class_<TierConfig>(module, "TierConfig")
      .def_ro("name", &TierConfig::name)
      .def_ro("limit", &TierConfig::limit);
  nb::class_<ExemptionConfig>(module, "ExemptionConfig")
      .def_prop_ro("type",
                   [](const ExemptionConfig& it) { return std::string(to_string(it.type)); })
      .def_ro("value", &ExemptionConfig::value);
  nb::class_<RedisConfig>(module, "RedisConfig")
      .def_prop_ro("topology",
                   [](const RedisConfig& it) { return std::string(to_string(it.topology)); })
      .def_ro("pool_size", &RedisConfig::pool_size)
      .def_prop_ro("socket_timeout",
                   [](const RedisConfig& it) { return seconds(it.socket_timeout); })
      .def_prop_ro("decision_timeout",
                   [](const RedisConfig& it) { return seconds(it.decision_timeout); })
      .def_ro("circuit_breaker_threshold", &RedisConfig::circuit_breaker_threshold)
      .def_prop_ro("circuit_breaker_timeout",
                   [](const RedisConfig& it) { return seconds(it.circuit_breaker_timeout); })
      .def_ro("key_prefix", &RedisConfig::key_prefix);
  nb::class_<ClientIdentificationConfig>(module, "ClientIdentificationConfig")
      .def_ro("identify", &ClientIdentificationConfig::identify)
      .def_ro("trusted_proxy_depth", &ClientIdentificationConfig::trusted_proxy_depth)
      .def_ro("trusted_proxies", &ClientIdentificationConfig::trusted_proxies)
      .def_ro("ipv6_prefix", &ClientIdentificationConfig::ipv6_prefix);
  nb::class_<ProgressivePenaltiesConfig>(module, "ProgressivePenaltiesConfig")
      .def_ro("enabled", &ProgressivePenaltiesConfig::enabled)
      .def_prop_ro(
          "detection_window",
          [](const ProgressivePenaltiesConfig& it) { return seconds(it.detection_window); })
      .def_ro("violation_threshold", &ProgressivePenaltiesConfig::violation_threshold)
      .def_ro("penalty_multipliers", &ProgressivePenaltiesConfig::penalty_multipliers);
  nb::class_<LoadedConfig>(module, "Config", "A valid configuration. Immutable; times in seconds.")
      .def_static(
          "load",
          [](const std::optional<std::string>& path) { return value_of(load_config(path)); },
          "path"_a.none() = nb::none())
      .def_static("of_keywords", &of_keywords, "toml"_a)
      .def("in_private", &in_private)
      .def_ro("file", &LoadedConfig::file)
      .def_ro("warnings", &LoadedConfig::warnings)
      .def_prop_ro("enabled", [](const LoadedConfig& it) { return it.config.enabled; })
      .def_prop_ro("namespace", [](const LoadedConfig& it) { return it.config.name_space; })
      .def_prop_ro("default_limit", [](const LoadedConfig& it) { return it.config.default_limit; })
      .def_prop_ro(
          "failure_mode",
          [](const LoadedConfig& it) { return std::string(to_string(it.config.failure_mode)); })
      .def_prop_ro("backend",
                   [](const LoadedConfig& it) { return std::string(to_string(it.config.backend)); })
      .def_prop_ro("shadow", [](const LoadedConfig& it) { return it.config.shadow; })
      .def_prop_ro("exempt_endpoints",
                   [](const LoadedConfig& it) { return it.config.exempt_endpoints; })
      .def_prop_ro("tiers", [](const LoadedConfig& it) { return it.config.tiers; })
      .def_prop_ro("exemptions", [](const LoadedConfig& it) { return it.config.exemptions; })
      .def_prop_ro("redis", [](const LoadedConfig& it) { return it.config.redis; })
      .def_prop_ro("client_identification",
                   [](const LoadedConfig& it) { return it.config.client_identification; })
      .def_prop_ro("progressive_penalties",
                   [](const LoadedConfig& it) { return it.config.progressive_penalties; })
      .def_prop_ro("endpoints", [](const LoadedConfig& it) { return it.config.endpoints; });
  module.def("rules_of", &rules_of, "toml"_a);
}

}  // namespace tidegate::python
