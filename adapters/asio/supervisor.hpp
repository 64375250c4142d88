// Keeps worker processes running.
#pragma once

#include <functional>
#include <string_view>

namespace tidegate::server {

struct Supervision {
  unsigned workers = 1;
  /// What a worker does; its result is the worker's exit code. It is told to stop by SIGTERM or
  /// SIGINT, and to reopen its log by SIGUSR1; these are blocked when it begins.
  std::function<int()> work;
  std::function<void()> on_started;     ///< once, in the parent, when the first workers are running
  std::function<void()> on_reopen_log;  ///< in the parent, on SIGUSR1
  std::function<void()> on_reload;      ///< in the parent, on SIGHUP, which workers do not get
  /// In the parent: what happened to a worker.
  std::function<void(std::string_view event, std::string_view message)> report;
};

/// Forks the workers and replaces those that die, until SIGTERM or SIGINT; then passes that on,
/// waits for the workers to finish, and returns 0. Five deaths within ten seconds end it with 1:
/// what kills workers so fast would go on. Workers do not outlive the parent, whatever ends it. To
/// be called by a process with one thread.
///
/// Returns in each worker too, with the result of its work: so that what the worker has inherited
/// or made is destroyed in order, threads first. The caller does nothing then but return it.
[[nodiscard]] int supervise(const Supervision& supervision);

}  // namespace tidegate::server
