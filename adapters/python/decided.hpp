// A decision as Python sees it: its values, and the response fields it makes.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "tidegate/decision.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::python {

/// Keeps the limiter, whose configuration says how it is rendered.
class Decided {
 public:
  explicit Decided(std::shared_ptr<Limiter> limiter) : limiter_(std::move(limiter)) {}

  Decision decision;

  /// Response fields as ASGI has them: pairs of bytes, names in lower case.
  [[nodiscard]] nanobind::list fields() const;
  /// The fields of a response with ours: they replace those of the same names, and scripts may read
  /// them where the response says that scripts may read it. `exposed`: it will, further out.
  [[nodiscard]] nanobind::list mark(nanobind::handle headers, bool exposed) const;
  /// The JSON body of a rejection.
  [[nodiscard]] nanobind::bytes body() const;

 private:
  std::shared_ptr<Limiter> limiter_;
};

void bind_decision(nanobind::module_& module);

}  // namespace tidegate::python
