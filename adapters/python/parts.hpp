// Parts of the engine by themselves: who is asking, which rule a path meets, a line of the log.
#pragma once

#include <nanobind/nanobind.h>

namespace tidegate::python {

void bind_parts(nanobind::module_& module);

}  // namespace tidegate::python
