// Response fields as ASGI has them: a list of pairs of bytes, names in lower case.
#pragma once

#include <nanobind/nanobind.h>

#include "tidegate/decision.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::python {

/// The fields of a decision.
[[nodiscard]] nanobind::list fields_of(const Decision& decision, const Limiter& limiter);

/// The headers of a response with the fields of a decision: they replace those of the same names,
/// and scripts may read them where the response says that scripts may read it. `exposed`: it will,
/// further out. Throws nanobind::python_error where `headers` cannot be iterated.
[[nodiscard]] nanobind::list mark(nanobind::handle headers, bool exposed, const Decision& decision,
                                  const Limiter& limiter);

}  // namespace tidegate::python
