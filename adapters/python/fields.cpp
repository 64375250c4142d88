// Every response is marked, so this is written with the interpreter's own calls: it looks at a
// response's headers once, and makes a list of the right size.
#include "adapters/python/fields.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ascii.hpp"
#include "tidegate/response.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

constexpr std::string_view kAllowOrigin = "access-control-allow-origin";
constexpr std::string_view kExposeHeaders = "access-control-expose-headers";

std::string_view view(PyObject* bytes) {
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

nb::object bytes(std::string_view text) {
  PyObject* const made =
      PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

nb::object pair(nb::object name, std::string_view value) {  // NOLINT(*-value-param): see Place
  PyObject* const made = PyTuple_Pack(2, name.ptr(), bytes(value).ptr());
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

/// Name and value of one line of ASGI's headers; empty where it is none.
std::pair<std::string_view, std::string_view> line_of(PyObject* line) {
  if (PyTuple_Check(line) == 0 && PyList_Check(line) == 0) return {};
  if (PySequence_Fast_GET_SIZE(line) != 2) return {};
  PyObject* const name = PySequence_Fast_GET_ITEM(line, 0);
  PyObject* const value = PySequence_Fast_GET_ITEM(line, 1);
  if (PyBytes_Check(name) == 0 || PyBytes_Check(value) == 0) return {};
  return {view(name), view(value)};
}

/// The field that was the last in its place. Limits, policies and the second that a window ends are
/// those of the response before more often than not, and a pair is immutable: it is given again.
class Place {
 public:
  nb::object pair_of(std::string_view name, std::string_view value) {
    const bool known = name == name_;
    if (known && view(PyTuple_GET_ITEM(pair_.ptr(), 1)) == value) return pair_;
    // Making objects may collect garbage, and that may run what comes here too: whatever is needed
    // is held, and nothing is set before all is made.
    nb::object made =
        pair(known ? nb::borrow(PyTuple_GET_ITEM(pair_.ptr(), 0)) : in_lower_case(name), value);
    name_ = name;
    pair_ = made;
    return made;
  }

 private:
  static nb::object in_lower_case(std::string_view name) {
    std::string lower(name);
    std::ranges::transform(name, lower.begin(), ascii_lower);
    return bytes(lower);
  }

  std::string name_;
  nb::object pair_;
};

/// The fields of one decision, to be put into lists. The interpreter's lock guards the places.
class Fields {
 public:
  Fields(const Decision& decision, const Limiter& limiter) {
    const auto keep = [this](std::string_view name, std::string_view value) {
      pairs_.at(count_) = places()[count_].pair_of(name, value);
      ++count_;
    };
    add_rate_limit_headers(decision, limiter.render_options(), limiter.wall_us(), keep);
  }

  [[nodiscard]] std::span<const nb::object> pairs() const { return {pairs_.data(), count_}; }

  [[nodiscard]] bool have(std::string_view name) const {
    return std::ranges::any_of(pairs(), [name](const nb::object& own) {
      return equal_ignoring_case(view(PyTuple_GET_ITEM(own.ptr(), 0)), name);
    });
  }

 private:
  /// All that a response can have: three of X-RateLimit, two of RateLimit, three of a rejection.
  static constexpr std::size_t kMost = 8;

  static std::array<Place, kMost>& places() {
    // It outlives the interpreter, which has no use for what would be given back to it then.
    static auto* const places = new std::array<Place, kMost>;
    return *places;
  }

  std::array<nb::object, kMost> pairs_;
  std::size_t count_ = 0;
};

nb::list list_of(std::span<PyObject* const> lines, std::span<const nb::object> further) {
  PyObject* const list = PyList_New(static_cast<Py_ssize_t>(lines.size() + further.size()));
  if (list == nullptr) throw nb::python_error();
  Py_ssize_t place = 0;
  for (PyObject* const line : lines) PyList_SET_ITEM(list, place++, Py_NewRef(line));
  for (const nb::object& line : further) PyList_SET_ITEM(list, place++, Py_NewRef(line.ptr()));
  return nb::steal<nb::list>(list);
}

/// What of a response's headers stays beside the fields of a decision.
struct Kept {
  std::vector<PyObject*> lines;
  std::string expose;
  bool exposed;
};

Kept keep(std::span<PyObject* const> lines, const Fields& fields, bool exposed) {
  Kept kept{.lines = {}, .expose = {}, .exposed = exposed};
  for (PyObject* const line : lines) {
    const auto [name, value] = line_of(line);
    if (fields.have(name)) continue;
    if (equal_ignoring_case(name, kAllowOrigin)) kept.exposed = true;
    if (equal_ignoring_case(name, kExposeHeaders)) {
      kept.expose.append(kept.expose.empty() ? "" : ", ").append(value);
      continue;
    }
    kept.lines.push_back(line);
  }
  return kept;
}

}  // namespace

nb::list fields_of(const Decision& decision, const Limiter& limiter) {
  return list_of({}, Fields(decision, limiter).pairs());
}

nb::list mark(nb::handle headers, bool exposed, const Decision& decision, const Limiter& limiter) {
  PyObject* const sequence = PySequence_Fast(headers.ptr(), "headers cannot be iterated");
  if (sequence == nullptr) throw nb::python_error();
  const nb::object held = nb::steal(sequence);
  const Fields fields(decision, limiter);
  const std::span<PyObject* const> lines(
      PySequence_Fast_ITEMS(sequence),
      static_cast<std::size_t>(PySequence_Fast_GET_SIZE(sequence)));
  if (fields.pairs().empty()) return list_of(lines, {});
  const bool plain = !exposed && std::ranges::none_of(lines, [&fields](PyObject* line) {
    const std::string_view name = line_of(line).first;
    return fields.have(name) || equal_ignoring_case(name, kAllowOrigin) ||
           equal_ignoring_case(name, kExposeHeaders);
  });
  if (plain) return list_of(lines, fields.pairs());

  Kept kept = keep(lines, fields, exposed);
  nb::list marked = list_of(kept.lines, fields.pairs());
  if (kept.exposed) {
    kept.expose.append(kept.expose.empty() ? "" : ", ")
        .append(exposed_field_names(limiter.render_options()));
  }
  if (!kept.expose.empty()) marked.append(pair(bytes(kExposeHeaders), kept.expose));
  return marked;
}

}  // namespace tidegate::python
