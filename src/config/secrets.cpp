#include "config/secrets.hpp"

#include <fmt/format.h>

#include <expected>
#include <utility>

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
  if (config.backend != BackendKind::redis) return secrets;
  for (const auto& [key, variable] :
       {std::pair{"redis.hash_key_env", config.redis.hash_key_env},
        std::pair{"redis.sentinel.password_env", config.redis.sentinel.password_env}}) {
    if (const auto* secret = find_secret(findings, environment, key, variable)) {
      secrets.emplace(variable, *secret);
    }
  }
  return secrets;
}

void take_redis_files(Findings& findings, const FileReader& read_file, LoadedConfig& loaded) {
  const RedisConfig& redis = loaded.config.redis;
  if (loaded.config.backend != BackendKind::redis || !redis.url.starts_with("rediss:")) return;
  for (const auto& [key, file] :
       {std::pair{"ca_file", redis.ca_file}, std::pair{"cert_file", redis.cert_file},
        std::pair{"key_file", redis.key_file}}) {
    const std::string path = fmt::format("{}.redis.{}", kRoot, key);
    if (file.empty() || findings.faulty(path)) continue;
    auto text =
        read_file
            ? read_file(file)
            : std::expected<std::string, Error>(std::unexpected(Error{"nothing here reads files"}));
    if (text) {
      loaded.key_files.emplace(file, std::move(*text));
    } else {
      findings.fault(path,
                     fmt::format("found the file {}, which {}", shown(file), text.error().message));
    }
  }
}

}  // namespace tidegate::config
