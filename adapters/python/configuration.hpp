// Configurations as Python sees them.
#pragma once

#include <nanobind/nanobind.h>

namespace tidegate::python {

void bind_configuration(nanobind::module_& module);

}  // namespace tidegate::python
