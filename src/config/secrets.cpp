#include "config/secrets.hpp"

#include <fmt/format.h>

#include "config/checks.hpp"
#include "config/kind.hpp"

namespace tidegate::config {

const std::string* find_secret(Findings& findings, const Environment& environment,
                               std::string_view key, const std::string& variable) {
  const std::string path = fmt::format("{}.{}", kRoot, key);
  if (variable.empty() || findings.faulty(path)) return nullptr;
  const auto found = environment.find(variable);
  if (found == environment.end() || found->second.empty()) {
    findings.fault(
        path, refusal(fmt::format("the variable \"{}\" {}", variable,
                                  found == environment.end() ? "that is not set" : "that is empty"),
                      "the name of a variable that holds the secret"));
    return nullptr;
  }
  return &found->second;
}

Secrets take_secrets(Findings& findings, const Environment& environment,
                     const RateLimitConfig& config) {
  Secrets secrets;
  const std::string& admin = config.admin_token_env;
  if (const auto* secret = find_secret(findings, environment, "admin.token_env", admin)) {
    secrets.emplace(admin, *secret);
  }
  return secrets;
}

}  // namespace tidegate::config
