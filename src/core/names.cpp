// The words that stand for the enumerations of the public headers, and faults as text.
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/decision.hpp"
#include "tidegate/error.hpp"
#include "tidegate/token.hpp"

namespace tidegate {

std::string_view to_string(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::token_bucket:
      return "token_bucket";
    case Algorithm::sliding_window:
      return "sliding_window";
    case Algorithm::sliding_window_counter:
      return "sliding_window_counter";
    case Algorithm::fixed_window:
      return "fixed_window";
  }
  return "";
}

std::string_view to_string(FailureMode mode) {
  switch (mode) {
    case FailureMode::fail_open:
      return "fail_open";
    case FailureMode::fail_closed:
      return "fail_closed";
    case FailureMode::local:
      return "local";
  }
  return "";
}

std::string_view to_string(BackendKind kind) {
  return kind == BackendKind::memory ? "memory" : "redis";
}

std::string_view to_string(ExemptionConfig::Type type) {
  switch (type) {
    case ExemptionConfig::Type::ip:
      return "ip";
    case ExemptionConfig::Type::user_id:
      return "user_id";
    case ExemptionConfig::Type::endpoint:
      return "endpoint";
  }
  return "";
}

std::string_view to_string(RedisConfig::Topology topology) {
  switch (topology) {
    case RedisConfig::Topology::single:
      return "single";
    case RedisConfig::Topology::sentinel:
      return "sentinel";
    case RedisConfig::Topology::cluster:
      return "cluster";
  }
  return "";
}

std::string_view to_string(ClientType type) {
  switch (type) {
    case ClientType::ip:
      return "ip";
    case ClientType::user:
      return "user";
    case ClientType::key:
      return "key";
  }
  return "";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::allowed:
      return "allowed";
    case Outcome::denied:
      return "denied";
    case Outcome::exempt:
      return "exempt";
    case Outcome::failed_open:
      return "failed_open";
    case Outcome::failed_closed:
      return "failed_closed";
    case Outcome::shadow:
      return "shadow";
  }
  return "";
}

std::string_view to_string(Denial denial) {
  switch (denial) {
    case Denial::none:
      return "";
    case Denial::penalty_active:
      return "penalty_active";
    case Denial::maintenance:
      return "maintenance";
    case Denial::cost_exceeds_limit:
      return "cost_exceeds_limit";
    case Denial::rate_limit_exceeded:
      return "rate_limit_exceeded";
    case Denial::multiple_windows_exceeded:
      return "multiple_windows_exceeded";
    case Denial::rate_limiter_unavailable:
      return "rate_limiter_unavailable";
  }
  return "";
}

std::string_view to_string(TokenVerdict verdict) {
  switch (verdict) {
    case TokenVerdict::none:
      return "none";
    case TokenVerdict::missing:
      return "missing";
    case TokenVerdict::valid:
      return "valid";
    case TokenVerdict::cached:
      return "cached";
    case TokenVerdict::ambiguous:
      return "ambiguous";
    case TokenVerdict::too_large:
      return "too_large";
    case TokenVerdict::unread:
      return "unread";
    case TokenVerdict::malformed:
      return "malformed";
    case TokenVerdict::wrong_algorithm:
      return "wrong_algorithm";
    case TokenVerdict::critical:
      return "critical";
    case TokenVerdict::unknown_key:
      return "unknown_key";
    case TokenVerdict::bad_signature:
      return "bad_signature";
    case TokenVerdict::expired:
      return "expired";
    case TokenVerdict::not_yet_valid:
      return "not_yet_valid";
    case TokenVerdict::wrong_issuer:
      return "wrong_issuer";
    case TokenVerdict::wrong_audience:
      return "wrong_audience";
    case TokenVerdict::no_user:
      return "no_user";
  }
  return "";
}

std::string to_string(const Fault& fault) {
  std::string out = fault.file;
  if (fault.line != 0) {
    out += ':' + std::to_string(fault.line) + ':' + std::to_string(fault.column);
  }
  if (!out.empty()) out += ": ";
  if (!fault.key.empty()) out += fault.key + ": ";
  return out + fault.message;
}

std::string to_string(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) text += (text.empty() ? "" : "\n") + to_string(fault);
  return text;
}

}  // namespace tidegate
