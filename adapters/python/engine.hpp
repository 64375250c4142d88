// The engine of one process as Python sees it, and its sessions with Redis on asyncio loops.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/posix/log_lines.hpp"
#include "adapters/posix/redis_session.hpp"
#include "adapters/python/decided.hpp"
#include "adapters/python/scope.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::python {

/// What a caller knows better than the scope.
struct Known {
  std::optional<std::string> client;
  std::optional<std::string> tier;
  std::optional<std::uint64_t> cost;
  std::optional<std::string> rule;

  void lay_over(Request& request) const {
    if (client) request.client = *client;
    if (tier) request.tier = *tier;
    if (rule) request.rule = *rule;
    request.cost = cost;
  }
};

/// What takes long lets others run meanwhile.
auto without_interpreter(auto work) {
  const nanobind::gil_scoped_release others_run;
  return work();
}

/// Used with the interpreter's lock held, which is given up where something takes long.
class Engine {
 public:
  /// `log` is called with level and line, on a thread that uses the engine. `written`: what a
  /// reload without another configuration takes, where there is no file.
  Engine(const LoadedConfig& config, nanobind::object log, std::optional<LoadedConfig> written);

  /// `known` may be null.
  [[nodiscard]] nanobind::object decide(nanobind::handle scope, const Known* known);
  /// Reads the configuration again. Any thread, without the interpreter's lock.
  [[nodiscard]] std::expected<std::uint64_t, std::vector<Fault>> reload() const;
  /// Hands the lines that were written since to Python.
  void flush_log();
  /// A doubt about who the peers are, said once.
  void look_at_peer(const ScopeRequest& request);

  [[nodiscard]] const std::shared_ptr<Limiter>& limiter() const { return limiter_; }

 private:
  std::shared_ptr<posix::LogLines> lines_;
  nanobind::object log_;
  std::optional<LoadedConfig> written_;
  std::shared_ptr<Limiter> limiter_;
  bool peer_doubted_ = false;
};

void bind_engine(nanobind::module_& module);

}  // namespace tidegate::python
