#include "adapters/python/decided.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/python/fields.hpp"
#include "tidegate/response.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

constexpr double kMicrosOfSecond = 1e6;

nb::bytes bytes(std::string_view text) { return nb::bytes(text.data(), text.size()); }

double seconds(std::uint64_t us) { return static_cast<double>(us) / kMicrosOfSecond; }

template <class T, class Member>
auto of_fields(Member T::* member) {
  return [member](const Decided& it) -> std::optional<Member> {
    const WindowState* const window = it.decision.fields();
    return window == nullptr ? std::nullopt : std::optional(window->*member);
  };
}

std::string representation(const Decided& it) {
  const Decision& decision = it.decision;
  std::string text = "<Decision " + std::string(to_string(decision.outcome)) + " " +
                     decision.client.client_id + " " + decision.endpoint;
  if (const WindowState* const window = decision.fields()) {
    text += " " + std::to_string(window->remaining) + "/" + std::to_string(window->limit);
  }
  return text + ">";
}

int is_admitted(PyObject* self) { return nb::inst_ptr<Decided>(self)->decision.admitted() ? 1 : 0; }

void bind_window(nb::module_& module) {
  nb::class_<WindowState>(module, "Window", "One window of one rule. Immutable; times in seconds.")
      .def_ro("rule", &WindowState::rule, "Name of the rule.")
      .def_ro("limit", &WindowState::limit, "Units per window.")
      .def_prop_ro("algorithm",
                   [](const WindowState& it) { return std::string(to_string(it.algorithm)); })
      .def_prop_ro("window", [](const WindowState& it) { return seconds(it.window_us); })
      .def_ro("remaining", &WindowState::remaining, "What would still be admitted now.")
      .def_prop_ro(
          "reset_after", [](const WindowState& it) { return seconds(it.reset_us); },
          "Until the whole allowance is back.")
      .def_prop_ro(
          "retry_after",
          [](const WindowState& it) {
            return it.retry_after_us ? std::optional(seconds(*it.retry_after_us)) : std::nullopt;
          },
          "Until the same request would be admitted; None unless this window said no.")
      .def_ro("exceeded", &WindowState::exceeded)
      .def_ro("shadow", &WindowState::shadow);
}

}  // namespace

nb::list Decided::fields() const { return fields_of(decision, *limiter_); }

nb::list Decided::mark(nb::handle headers, bool exposed) const {
  return python::mark(headers, exposed, decision, *limiter_);
}

nb::bytes Decided::body() const {
  std::string text;
  append_rejection_body(decision, text);
  return bytes(text);
}

void bind_decision(nb::module_& module) {
  using namespace nb::literals;
  bind_window(module);
  nb::class_<ClientIdentity>(module, "ClientIdentity", "Whom a limit is counted for.")
      .def_ro("client_id", &ClientIdentity::client_id,
              "\"user:42\", \"ip:203.0.113.7\" or \"key:\" and 12 hexadecimal digits.")
      .def_prop_ro("client_type",
                   [](const ClientIdentity& it) { return std::string(to_string(it.client_type)); })
      .def_ro("tier", &ClientIdentity::tier)
      .def_ro("metadata", &ClientIdentity::metadata);
  // A slot, as every request is asked so.
  static const std::array<PyType_Slot, 2> slots{
      {{Py_nb_bool, reinterpret_cast<void*>(&is_admitted)}, {0, nullptr}}};
  nb::class_<Decided>(module, "Decision", nb::type_slots(slots.data()),
                      "What became of one request. Immutable; true where the request may go on.")
      .def("__repr__", &representation)
      .def_prop_ro(
          "admitted", [](const Decided& it) { return it.decision.admitted(); },
          "Whether the request may go on.")
      .def_prop_ro(
          "status", [](const Decided& it) { return it.decision.status(); }, "200, 429 or 503.")
      .def_prop_ro(
          "outcome", [](const Decided& it) { return std::string(to_string(it.decision.outcome)); },
          "allowed, denied, exempt, failed_open, failed_closed or shadow.")
      .def_prop_ro(
          "error", [](const Decided& it) { return std::string(to_string(it.decision.denial)); },
          "The `error` member of the body.")
      .def_prop_ro(
          "endpoint", [](const Decided& it) { return it.decision.endpoint; },
          "Name of the rule that decided, or \"exempt\".")
      .def_prop_ro("client", [](const Decided& it) { return it.decision.client; })
      .def_prop_ro("cost", [](const Decided& it) { return it.decision.cost; })
      .def_prop_ro("limit", of_fields(&WindowState::limit),
                   "Units per window, of the tightest window; None where there is no limit.")
      .def_prop_ro("remaining", of_fields(&WindowState::remaining),
                   "Units that would still be admitted now; None where there is no limit.")
      .def_prop_ro(
          "retry_after", [](const Decided& it) { return calculate_retry_after(it.decision); },
          "Seconds, at least 1; None where waiting does not help or is not needed.")
      .def_prop_ro(
          "reset_after",
          [](const Decided& it) -> std::optional<double> {
            const WindowState* const window = it.decision.fields();
            return window == nullptr ? std::nullopt : std::optional(seconds(window->reset_us));
          },
          "Seconds until the whole allowance is back; None where there is no limit.")
      .def_prop_ro(
          "windows", [](const Decided& it) { return it.decision.windows; },
          "Every window that was asked, those of shadow rules last.")
      .def_prop_ro("fields", &Decided::fields,
                   nb::sig("def fields(self) -> list[tuple[bytes, bytes]]"),
                   "Response fields as ASGI has them: pairs of bytes, names in lower case.")
      .def("mark", &Decided::mark, "headers"_a, "exposed"_a = false,
           nb::sig("def mark(self, headers: collections.abc.Iterable[tuple[bytes, bytes]], "
                   "exposed: bool = False) -> list[tuple[bytes, bytes]]"),
           "The headers of a response with those of the decision, which replace others of the "
           "same names.")
      .def_prop_ro("body", &Decided::body, "The JSON body of a rejection.");
}

}  // namespace tidegate::python
