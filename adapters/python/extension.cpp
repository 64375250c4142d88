// The extension module tidegate._engine: the engine as Python sees it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <string>

#include "adapters/python/configuration.hpp"
#include "adapters/python/decided.hpp"
#include "adapters/python/engine.hpp"
#include "adapters/python/faults.hpp"
#include "adapters/python/operations.hpp"
#include "tidegate/client.hpp"
#include "tidegate/status.hpp"

NB_MODULE(_engine, module) {
  using namespace tidegate::python;
  using namespace nanobind::literals;
  nanobind::exception<ConfigFaults>(module, "ConfigError", PyExc_ValueError);
  bind_configuration(module);
  bind_decision(module);
  bind_engine(module);
  bind_operations(module);
  module.def("version", [] { return std::string(tidegate::version()); });
  module.def(
      "normalize_ip",
      [](const std::string& text, unsigned ipv6_prefix) {
        return tidegate::normalize_ip(text, ipv6_prefix);
      },
      "text"_a, "ipv6_prefix"_a = 64,
      "The canonical text of an address, IPv6 grouped by its prefix; None if it is no address.");
}
