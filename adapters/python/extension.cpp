// The extension module tidegate._engine: the engine as Python sees it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/posix/redis_session.hpp"
#include "adapters/python/asyncio_network.hpp"
#include "adapters/python/scope.hpp"
#include "tidegate/config.hpp"
#include "tidegate/limiter.hpp"
#include "tidegate/response.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

/// A configuration that has faults, or a segment that cannot be opened. Becomes
/// tidegate.ConfigError.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string joined(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) {
    if (!text.empty()) text += '\n';
    text += to_string(fault);
  }
  return text;
}

/// What a caller knows better than the scope.
struct Known {
  std::optional<std::string> client;
  std::optional<std::string> tier;
  std::optional<std::uint64_t> cost;
  std::optional<std::string> target;

  void lay_over(Request& request) const {
    if (client) request.client = *client;
    if (tier) request.tier = *tier;
    if (target) request.target = *target;
    request.cost = cost;
  }
};

/// A decision, and what renders it.
class Decided {
 public:
  explicit Decided(std::shared_ptr<Limiter> limiter) : limiter_(std::move(limiter)) {}

  Decision decision;

  /// Response fields as ASGI has them: pairs of bytes, names in lower case.
  [[nodiscard]] nb::list fields() const {
    nb::list list;
    add_rate_limit_headers(decision, limiter_->render_options(), limiter_->wall_us(),
                           [&list](std::string_view name, std::string_view value) {
                             std::string lower(name);
                             for (char& c : lower) c = c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
                             list.append(nb::make_tuple(nb::bytes(lower.data(), lower.size()),
                                                        nb::bytes(value.data(), value.size())));
                           });
    return list;
  }
  [[nodiscard]] nb::bytes body() const {
    std::string text;
    append_rejection_body(decision, text);
    return nb::bytes(text.data(), text.size());
  }

 private:
  std::shared_ptr<Limiter> limiter_;
};

/// One decision through Redis that has to be waited for.
class Ticket final : public posix::Pending {
 public:
  Ticket(nb::handle scope, Known known, nb::object decided, nb::object done)
      : scope_(scope.ptr()),
        known_(std::move(known)),
        decided_(std::move(decided)),
        done_(std::move(done)) {
    known_.lay_over(scope_.request);
  }
  ~Ticket() override { cancel(); }

  /// True: it is decided.
  bool begin(posix::RedisSession& session) {
    return session.decide(scope_.request, nb::cast<Decided&>(decided_).decision, *this);
  }
  void decided() override { std::exchange(done_, nb::none())(decided_); }
  void cancel() { posix::RedisSession::cancel(*this); }
  [[nodiscard]] nb::object result() const { return decided_; }

 private:
  ScopeRequest scope_;
  Known known_;
  nb::object decided_;
  nb::object done_;
};

class Engine {
 public:
  explicit Engine(std::shared_ptr<Limiter> limiter) : limiter_(std::move(limiter)) {}

  static Engine open(const std::optional<std::string>& path, const std::optional<std::string>& toml,
                     const Environment& environment) {
    auto loaded = toml ? parse_config(*toml, path.value_or(""), environment) : load_config(path);
    if (!loaded) throw ConfigError(joined(loaded.error()));
    auto limiter = Limiter::open(*loaded);
    if (!limiter) throw ConfigError(limiter.error().message);
    return Engine(std::move(*limiter));
  }

  [[nodiscard]] nb::object decide(nb::handle scope, Known known) const {
    nb::object decided = nb::cast(Decided(limiter_));
    ScopeRequest request(scope.ptr());
    known.lay_over(request.request);
    limiter_->decide(request.request, nb::cast<Decided&>(decided).decision);
    return decided;
  }

  [[nodiscard]] const std::shared_ptr<Limiter>& limiter() const { return limiter_; }

 private:
  std::shared_ptr<Limiter> limiter_;
};

/// Decisions through Redis on one asyncio loop.
class Session {
 public:
  Session(const Engine& engine, nb::object driver, std::size_t sharers)
      : limiter_(engine.limiter()),
        session_(
            *limiter_,
            [driver = std::move(driver)](std::function<Micros()> clock) {
              return std::make_unique<AsyncioNetwork>(driver, std::move(clock));
            },
            sharers) {
    session_.connect();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  nb::object decide(nb::handle scope, Known known, nb::object done) {
    nb::object ticket =
        nb::cast(new Ticket(scope, std::move(known), nb::cast(Decided(limiter_)), std::move(done)),
                 nb::rv_policy::take_ownership);
    auto& pending = nb::cast<Ticket&>(ticket);
    return pending.begin(session_) ? pending.result() : ticket;
  }

 private:
  std::shared_ptr<Limiter> limiter_;
  posix::RedisSession session_;
};

Known known_of(std::optional<std::string> client, std::optional<std::string> tier,
               std::optional<std::uint64_t> cost, std::optional<std::string> target) {
  return {.client = std::move(client),
          .tier = std::move(tier),
          .cost = cost,
          .target = std::move(target)};
}

void bind_decision(nb::module_& module) {
  nb::class_<Decided>(module, "Decision", "What became of one request. Immutable.")
      .def_prop_ro(
          "admitted", [](const Decided& it) { return it.decision.admitted(); },
          "Whether the request may go on.")
      .def_prop_ro(
          "status", [](const Decided& it) { return it.decision.status(); }, "200, 429 or 503.")
      .def_prop_ro("outcome",
                   [](const Decided& it) { return std::string(to_string(it.decision.outcome)); })
      .def_prop_ro(
          "error", [](const Decided& it) { return std::string(to_string(it.decision.denial)); },
          "The `error` member of the body; \"\" where it is admitted.")
      .def_prop_ro(
          "endpoint", [](const Decided& it) { return it.decision.endpoint; },
          "Name of the rule that decided, or \"exempt\".")
      .def_prop_ro("client_id", [](const Decided& it) { return it.decision.client.client_id; })
      .def_prop_ro(
          "client_type",
          [](const Decided& it) { return std::string(to_string(it.decision.client.client_type)); })
      .def_prop_ro("tier", [](const Decided& it) { return it.decision.client.tier; })
      .def_prop_ro(
          "limit",
          [](const Decided& it) -> std::optional<std::uint64_t> {
            const WindowState* const window = it.decision.fields();
            return window == nullptr ? std::nullopt : std::optional(window->limit);
          },
          "Units per window; None where there is no limit.")
      .def_prop_ro("remaining",
                   [](const Decided& it) -> std::optional<std::uint64_t> {
                     const WindowState* const window = it.decision.fields();
                     return window == nullptr ? std::nullopt : std::optional(window->remaining);
                   })
      .def_prop_ro(
          "retry_after", [](const Decided& it) { return calculate_retry_after(it.decision); },
          "Seconds, at least 1; None where waiting does not help or is not needed.")
      .def_prop_ro("fields", &Decided::fields,
                   "Response fields as ASGI has them: pairs of bytes, names in lower case.")
      .def_prop_ro("body", &Decided::body, "The JSON body of a rejection.");
}

void bind_engine(nb::module_& module) {
  using namespace nb::literals;
  const auto none = nb::none();
  nb::class_<Engine>(module, "Limiter",
                     "The engine of one process. Processes that name the same segment count "
                     "together.")
      .def_static("open", &Engine::open, "path"_a.none() = none, "toml"_a.none() = none,
                  "environment"_a = Environment())
      .def(
          "decide",
          [](const Engine& it, nb::handle scope, std::optional<std::string> client,
             std::optional<std::string> tier, std::optional<std::uint64_t> cost,
             std::optional<std::string> target) {
            return it.decide(scope,
                             known_of(std::move(client), std::move(tier), cost, std::move(target)));
          },
          "scope"_a, nb::kw_only(), "client"_a = none, "tier"_a = none, "cost"_a = none,
          "target"_a = none,
          "Decides a request by its ASGI scope. With the backend \"redis\" it waits for the "
          "answer: on an event loop use a session.")
      .def_prop_ro(
          "uses_redis",
          [](const Engine& it) { return it.limiter()->config()->backend == BackendKind::redis; })
      .def(
          "metrics", [](const Engine& it) { return it.limiter()->metrics(); },
          "Prometheus's text format.")
      .def("after_fork", [](const Engine& it) { it.limiter()->after_fork(); });
  nb::class_<Session>(module, "Session", "Decisions through Redis on one asyncio loop.")
      .def(nb::init<const Engine&, nb::object, std::size_t>(), "limiter"_a, "driver"_a, "sharers"_a)
      .def(
          "decide",
          [](Session& it, nb::handle scope, nb::object done, std::optional<std::string> client,
             std::optional<std::string> tier, std::optional<std::uint64_t> cost,
             std::optional<std::string> target) {
            return it.decide(scope,
                             known_of(std::move(client), std::move(tier), cost, std::move(target)),
                             std::move(done));
          },
          "scope"_a, "done"_a, nb::kw_only(), "client"_a = none, "tier"_a = none, "cost"_a = none,
          "target"_a = none,
          "A Decision; or a Ticket, and `done` is called with the decision, at the deadline at "
          "the latest, unless the ticket is dropped or cancelled.");
  nb::class_<Ticket>(module, "Ticket").def("cancel", &Ticket::cancel);
  nb::class_<AsyncioNetwork>(module, "Network")
      .def("opened", &AsyncioNetwork::opened)
      .def("received",
           [](AsyncioNetwork& it, redis::LinkId link, const nb::bytes& data) {
             it.received(link, {static_cast<const char*>(data.data()), data.size()});
           })
      .def("lost", &AsyncioNetwork::lost)
      .def("woken", &AsyncioNetwork::woken)
      .def("turn_ended", &AsyncioNetwork::turn_ended);
}

}  // namespace
}  // namespace tidegate::python

NB_MODULE(_engine, module) {
  using namespace tidegate::python;
  nb::exception<ConfigError>(module, "ConfigError", PyExc_ValueError);
  bind_decision(module);
  bind_engine(module);
}
