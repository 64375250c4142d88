// The extension module tidegate._engine: the engine as Python sees it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "adapters/python/configuration.hpp"
#include "adapters/python/decided.hpp"
#include "adapters/python/engine.hpp"
#include "adapters/python/faults.hpp"
#include "adapters/python/operations.hpp"
#include "adapters/python/parts.hpp"
#include "tidegate/status.hpp"

NB_MODULE(_engine, module) {
  using namespace tidegate::python;
  nanobind::exception<ConfigFaults>(module, "ConfigError", PyExc_ValueError);
  bind_configuration(module);
  bind_decision(module);
  bind_engine(module);
  bind_operations(module);
  bind_parts(module);
  module.def("version", [] { return std::string(tidegate::version()); });
}
