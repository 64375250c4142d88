#include "adapters/python/operations.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/http/admin.hpp"
#include "adapters/http/service.hpp"
#include "adapters/python/engine.hpp"
#include "adapters/python/scope.hpp"
#include "core/ascii.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;
using server::Admin;
using server::Answer;
using server::Route;

nb::bytes bytes(std::string_view text) { return nb::bytes(text.data(), text.size()); }

/// As ASGI wants it: status, headers, body.
nb::tuple to_python(const Answer& answer) {
  nb::list headers;
  const auto add = [&headers](std::string_view name, std::string_view value) {
    if (!value.empty()) headers.append(nb::make_tuple(bytes(name), bytes(value)));
  };
  add("content-type", answer.content_type);
  add("allow", answer.allow);
  server::each_field(answer.fields, [&add](std::string_view name, std::string_view value) {
    std::string lower(name);
    for (char& c : lower) c = ascii_lower(c);
    add(lower, value);
  });
  return nb::make_tuple(answer.status, headers, bytes(answer.body));
}

/// Used with the interpreter's lock held, which it gives up while something takes long: so one call
/// at a time has the rest of it.
class Operations {
 public:
  explicit Operations(nb::object engine)
      : engine_object_(std::move(engine)),
        engine_(nb::cast<Engine&>(engine_object_)),
        service_(false, engine_.limiter().get()),
        admin_(engine_.limiter().get()) {}

  /// `path` as it is below the place where they are mounted.
  nb::tuple answer(nb::handle scope, std::string_view path, std::string_view body) {
    const ScopeRequest asked(scope.ptr());
    const std::string_view method = asked.request.method;
    const Route route = service_.route(server::Port::ops, path);
    std::string scratch;
    if (!server::is_admin(route)) {
      return to_python(service_.answer(route, method, path, scratch));
    }
    const bool authorised =
        server::needs_token(route) &&
        admin_.authorise(*asked.request.headers, asked.request.peer.value_or(IpAddress()),
                         Admin::Clock::now());
    if (authorised && admin_.may_reload(route, method)) return reload();
    if (authorised) {
      if (const auto wanted = admin_.wanted_reset(route, method, body)) return reset(*wanted);
    }
    const nb::tuple answered = to_python(admin_.answer(route, method, authorised, body, scratch));
    engine_.flush_log();
    return answered;
  }

 private:
  nb::tuple reload() {
    const Admin::Reloaded reloaded = without_interpreter([&] { return engine_.reload(); });
    engine_.flush_log();
    std::string scratch;
    return to_python(Admin::answer_reload(reloaded, scratch));
  }

  nb::tuple reset(const server::ResetRequest& wanted) {
    const Admin::Forgotten forgotten =
        without_interpreter([&] { return Admin::forget(*engine_.limiter(), wanted); });
    std::string scratch;
    const Answer answer = admin_.answer_reset(wanted, forgotten, scratch);
    engine_.flush_log();
    return to_python(answer);
  }

  nb::object engine_object_;  ///< outlives this
  Engine& engine_;
  server::Service service_;
  Admin admin_;
};

}  // namespace

void bind_operations(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Operations>(module, "Operations", "Answers of health, metrics and admin routes.")
      .def(nb::init<nb::object>(), "engine"_a)
      .def(
          "answer",
          [](Operations& it, nb::handle scope, const nb::str& path, const nb::bytes& body) {
            return it.answer(scope, path.c_str(),
                             {static_cast<const char*>(body.data()), body.size()});
          },
          "scope"_a, "path"_a, "body"_a,
          nb::sig("def answer(self, scope: object, path: str, body: bytes) -> tuple[int, "
                  "list[tuple[bytes, bytes]], bytes]"),
          "Status, headers and body. May take milliseconds.");
}

}  // namespace tidegate::python
