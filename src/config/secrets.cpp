#include "config/secrets.hpp"

#include <fmt/format.h>

#include "config/checks.hpp"
#include "config/kind.hpp"

namespace tidegate::config {
namespace {

void take(Findings& findings, const Environment& environment, std::string_view key,
          const std::string& variable, Secrets& secrets) {
  const std::string path = fmt::format("{}.{}", kRoot, key);
  if (variable.empty() || findings.faulty(path)) return;
  const auto found = environment.find(variable);
  if (found == environment.end() || found->second.empty()) {
    findings.fault(
        path, refusal(fmt::format("the variable \"{}\" {}", variable,
                                  found == environment.end() ? "that is not set" : "that is empty"),
                      "the name of a variable that holds the secret"));
    return;
  }
  secrets.emplace(variable, found->second);
}

}  // namespace

Secrets take_secrets(Findings& findings, const Environment& environment,
                     const RateLimitConfig& config) {
  Secrets secrets;
  take(findings, environment, "admin.token_env", config.admin_token_env, secrets);
  return secrets;
}

}  // namespace tidegate::config
