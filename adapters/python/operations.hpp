// Health, metrics and what operators may do, for an application that mounts them.
#pragma once

#include <nanobind/nanobind.h>

namespace tidegate::python {

void bind_operations(nanobind::module_& module);

}  // namespace tidegate::python
