#include "adapters/python/configuration.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
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
using Variables = std::map<std::string, std::string>;

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

LoadedConfig of_keywords(const std::string& toml) {
  Loaded loaded = posix::load_text(toml, "");
  if (!loaded) throw ConfigFaults(without_places(std::move(loaded.error())));
  return std::move(*loaded);
}

/// The endpoints of a text, as rules that a program names itself.
std::vector<EndpointConfig> rules_of(const std::string& toml) {
  Loaded loaded = parse_config(toml, "", {});
  if (!loaded) throw ConfigFaults(without_places(std::move(loaded.error())));
  for (EndpointConfig& rule : loaded->config.endpoints) rule.pattern.clear();
  return std::move(loaded->config.endpoints);
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
  nb::class_<LoadedConfig>(module, "Config")
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
      .def_prop_ro("endpoints", [](const LoadedConfig& it) { return it.config.endpoints; });
  module.def("rules_of", &rules_of, "toml"_a);
}

}  // namespace tidegate::python
