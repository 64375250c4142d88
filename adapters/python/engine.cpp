#include "adapters/python/engine.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <functional>
#include <new>
#include <vector>

#include "adapters/python/asyncio_network.hpp"
#include "adapters/python/faults.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

/// Made where it is to lie: it is large to move.
nb::object new_decided(const std::shared_ptr<Limiter>& limiter) {
  nb::object decided = nb::inst_alloc(nb::type<Decided>());
  new (nb::inst_ptr<Decided>(decided)) Decided(limiter);
  nb::inst_mark_ready(decided);
  return decided;
}

/// One decision through Redis on its way. It ends itself when it is decided, which it is at the
/// deadline at the latest, or when its session ends.
class Answer final : public posix::Pending {
 public:
  Answer(nb::handle scope, Known known, nb::object decided)
      : scope_(scope.ptr()), known_(std::move(known)), decided_(std::move(decided)) {
    known_.lay_over(scope_.request);
  }

  [[nodiscard]] const ScopeRequest& scope() const { return scope_; }

  /// The decision; or a future that `create_future` makes, which gets it.
  static nb::object ask(std::unique_ptr<Answer> answer, posix::RedisSession& session,
                        const nb::object& create_future) {
    Answer& it = *answer;
    if (session.decide(it.scope_.request, nb::inst_ptr<Decided>(it.decided_)->decision, it)) {
      return it.decided_;
    }
    it.owner_ = std::move(answer);
    it.future_ = create_future();
    return it.future_;
  }

  void decided() override {
    const std::unique_ptr<Answer> ends_here = std::move(owner_);
    if (!future_.is_valid()) return;
    try {
      if (!nb::cast<bool>(future_.attr("done")())) future_.attr("set_result")(decided_);
    } catch (nb::python_error&) {  // NOLINT(bugprone-empty-catch)
      // The loop is closed: nobody waits.
    }
  }

 private:
  ScopeRequest scope_;
  Known known_;
  nb::object decided_;
  nb::object future_;
  std::unique_ptr<Answer> owner_;  ///< itself, while it is on its way
};

/// Decisions through Redis on one asyncio loop.
class Session {
 public:
  Session(nb::object engine, nb::object make_driver, nb::object create_future, std::size_t sharers)
      : engine_object_(std::move(engine)),
        create_future_(std::move(create_future)),
        engine_(nb::cast<Engine&>(engine_object_)),
        session_(
            *engine_.limiter(),
            [make_driver = std::move(make_driver)](std::function<Micros()> clock) {
              return std::make_unique<AsyncioNetwork>(make_driver(), std::move(clock));
            },
            sharers) {
    session_.connect();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  nb::object decide(nb::handle scope, Known known) {
    auto answer = std::make_unique<Answer>(scope, std::move(known), new_decided(engine_.limiter()));
    engine_.look_at_peer(answer->scope());
    nb::object result = Answer::ask(std::move(answer), session_, create_future_);
    engine_.flush_log();
    return result;
  }

 private:
  nb::object engine_object_;  ///< outlives the session
  nb::object create_future_;
  Engine& engine_;
  posix::RedisSession session_;
};

Known known_of(std::optional<std::string> client, std::optional<std::string> tier,
               std::optional<std::uint64_t> cost, std::optional<std::string> rule) {
  return {
      .client = std::move(client), .tier = std::move(tier), .cost = cost, .rule = std::move(rule)};
}

template <class T>
T value_of(std::expected<T, Error> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::uint64_t reload(Engine& it, const std::optional<LoadedConfig>& config) {
  const auto reloaded =
      without_interpreter([&] { return config ? it.limiter()->reload(*config) : it.reload(); });
  it.flush_log();
  if (!reloaded) throw ConfigFaults(reloaded.error());
  return *reloaded;
}

void declare(Engine& it, std::vector<EndpointConfig> rules) {
  const auto declared = it.limiter()->declare(std::move(rules));
  it.flush_log();
  if (!declared) throw ConfigFaults(declared.error());
}

nb::dict health(const Engine& it) {
  const Health health = it.limiter()->health();
  nb::dict members;
  members["status"] = std::string(health.status);
  members["backend"] = std::string(health.backend);
  members["latency_ms"] = health.latency_ms;
  members["breaker"] = std::string(health.breaker);
  members["generation"] = health.generation;
  if (!health.reload_error.empty()) members["reload_error"] = health.reload_error;
  if (!health.keys_error.empty()) members["keys_error"] = health.keys_error;
  return members;
}

}  // namespace

Engine::Engine(const LoadedConfig& config, nb::object log, std::optional<LoadedConfig> written)
    : lines_(std::make_shared<posix::LogLines>()),
      log_(std::move(log)),
      written_(std::move(written)) {
  auto limiter = Limiter::open(config);
  if (!limiter) throw ConfigFaults({{config.file, 0, 0, "", limiter.error().message}});
  (*limiter)->log_to(
      [lines = lines_](LogLevel level, std::string_view line) { lines->add(level, line); });
  // Its end may wait for a thread, and no thread of the limiter wants the interpreter.
  limiter_ = std::shared_ptr<Limiter>(limiter->release(), [](Limiter* last) {
    const nb::gil_scoped_release others_run;
    delete last;
  });
}

std::expected<std::uint64_t, std::vector<Fault>> Engine::reload() const {
  return written_ ? limiter_->reload(*written_) : limiter_->reload();
}

nb::object Engine::decide(nb::handle scope, const Known* known) {
  nb::object decided = new_decided(limiter_);
  ScopeRequest request(scope.ptr());
  if (known != nullptr) known->lay_over(request.request);
  look_at_peer(request);
  limiter_->decide(request.request, nb::inst_ptr<Decided>(decided)->decision);
  if (lines_->any()) [[unlikely]]
    flush_log();
  return decided;
}

void Engine::flush_log() {
  if (!lines_->any()) return;
  for (const auto& [level, line] : lines_->take()) log_(static_cast<int>(level), line);
}

void Engine::look_at_peer(const ScopeRequest& request) {
  if (peer_doubted_ || !request.peer_rewritten()) return;
  peer_doubted_ = true;
  limiter_->warn_identity(
      "peer_rewritten",
      "the server has taken the client's address from X-Forwarded-For before the limiter saw it, "
      "so limits are only as good as its list of trusted proxies; for uvicorn: start it with "
      "--no-proxy-headers and set trusted_proxies or trusted_proxy_depth");
}

void bind_engine(nb::module_& module) {
  using namespace nb::literals;
  const auto none = nb::none();
  nb::class_<Engine>(module, "Engine",
                     "The engine of one process. Processes that name the same segment count "
                     "together.")
      .def(nb::init<const LoadedConfig&, nb::object, std::optional<LoadedConfig>>(), "config"_a,
           "log"_a, "written"_a = none)
      .def(
          "decide", [](Engine& it, nb::handle scope) { return it.decide(scope, nullptr); },
          nb::sig("def decide(self, scope: object, /) -> Decision"))
      .def(
          "decide",
          [](Engine& it, nb::handle scope, std::optional<std::string> client,
             std::optional<std::string> tier, std::optional<std::uint64_t> cost,
             std::optional<std::string> rule) {
            const Known known = known_of(std::move(client), std::move(tier), cost, std::move(rule));
            return it.decide(scope, &known);
          },
          "scope"_a, nb::kw_only(), "client"_a = none, "tier"_a = none, "cost"_a = none,
          "rule"_a = none,
          nb::sig("def decide(self, scope: object, *, client: str | None = None, tier: str | None "
                  "= None, cost: int | None = None, rule: str | None = None) -> Decision"))
      .def_prop_ro(
          "uses_redis",
          [](const Engine& it) { return it.limiter()->config()->backend == BackendKind::redis; })
      .def_prop_ro("algorithm",
                   [](const Engine& it) {
                     return std::string(to_string(it.limiter()->config()->default_limit.algorithm));
                   })
      .def_prop_ro("pool_size",
                   [](const Engine& it) { return it.limiter()->config()->redis.pool_size; })
      .def("declare", &declare, "rules"_a)
      .def("reload", &reload, "config"_a = none)
      .def("peek",
           [](const Engine& it, const std::string& client, const std::string& rule,
              const std::string& tier) {
             return value_of(
                 without_interpreter([&] { return it.limiter()->peek(client, rule, tier); }));
           })
      .def(
          "reset",
          [](const Engine& it, const std::string& client, const std::string& rule) {
            return value_of(without_interpreter([&] { return it.limiter()->reset(client, rule); }));
          })
      .def("reset_rule",
           [](const Engine& it, const std::string& rule) {
             return value_of(without_interpreter([&] { return it.limiter()->reset_rule(rule); }));
           })
      .def("metrics", [](const Engine& it) { return it.limiter()->metrics(); })
      .def("status_json", [](const Engine& it) { return it.limiter()->status_json(); })
      .def("health", &health, nb::sig("def health(self) -> dict[str, str | float]"))
      .def("stop_clock", [](const Engine& it) { return it.limiter()->stop_clock(); })
      .def("advance",
           [](const Engine& it, std::uint64_t micros) {
             it.limiter()->advance(std::chrono::microseconds(micros));
           })
      .def("after_fork", [](const Engine& it) { it.limiter()->after_fork(); });
  nb::class_<Session>(module, "Session", "Decisions through Redis on one asyncio loop.")
      .def(nb::init<nb::object, nb::object, nb::object, std::size_t>(), "engine"_a, "make_driver"_a,
           "create_future"_a, "sharers"_a,
           "A reload that changes how Redis is reached takes another driver.")
      .def(
          "decide", [](Session& it, nb::handle scope) { return it.decide(scope, {}); },
          nb::sig("def decide(self, scope: object, /) -> Decision | "
                  "collections.abc.Awaitable[Decision]"),
          "A Decision; or a future, which has it at the deadline at the latest.")
      .def(
          "decide",
          [](Session& it, nb::handle scope, std::optional<std::string> client,
             std::optional<std::string> tier, std::optional<std::uint64_t> cost,
             std::optional<std::string> rule) {
            return it.decide(scope,
                             known_of(std::move(client), std::move(tier), cost, std::move(rule)));
          },
          "scope"_a, nb::kw_only(), "client"_a = none, "tier"_a = none, "cost"_a = none,
          "rule"_a = none,
          nb::sig("def decide(self, scope: object, *, client: str | None = None, tier: str | None "
                  "= None, cost: int | None = None, rule: str | None = None) -> Decision | "
                  "collections.abc.Awaitable[Decision]"));
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

}  // namespace tidegate::python
