// What can go wrong between us and Redis, in the words of the metrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidegate::redis {

enum class Operation : std::uint8_t { check, script_load, connect, role, cluster_slots, reset };
inline constexpr std::size_t kOperations = 6;

enum class ErrorType : std::uint8_t {
  timeout,      ///< no answer in time
  refused,      ///< no connection, or lost before an answer came
  readonly,     ///< READONLY: a replica, or a master that was demoted; ROLE said no master
  loading,      ///< LOADING, MASTERDOWN
  clusterdown,  ///< CLUSTERDOWN, a slot that nobody serves, redirections without end
  oom,          ///< OOM
  noreplicas,   ///< NOREPLICAS
  protocol,     ///< no RESP, bounds exceeded, an answer of another form, WRONGTYPE, script errors
  auth,         ///< NOAUTH, WRONGPASS, NOPERM, a certificate that is not trusted
};
inline constexpr std::size_t kErrorTypes = 9;

[[nodiscard]] std::string_view to_string(Operation operation);
[[nodiscard]] std::string_view to_string(ErrorType type);

/// Why a call has no answer.
struct Failure {
  ErrorType type = ErrorType::timeout;
  /// False: the server has surely not executed it. True: nobody knows, so it is never sent again.
  bool maybe_executed = false;
  std::string message;  ///< for a log line: what was heard and from where; never a password
};

}  // namespace tidegate::redis
