#include "store/redis/failure.hpp"

#include <array>

namespace tidegate::redis {

std::string_view to_string(Operation operation) {
  static constexpr std::array<std::string_view, kOperations> kNames{
      "check", "script_load", "connect", "role", "cluster_slots", "reset"};
  return kNames[static_cast<std::size_t>(operation)];
}

std::string_view to_string(ErrorType type) {
  static constexpr std::array<std::string_view, kErrorTypes> kNames{
      "timeout", "refused",    "readonly", "loading", "clusterdown",
      "oom",     "noreplicas", "protocol", "auth"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace tidegate::redis
