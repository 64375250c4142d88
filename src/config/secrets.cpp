#include "config/secrets.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "config/checks.hpp"
#include "config/kind.hpp"
#include "identity/token_keys.hpp"

namespace tidegate::config {
namespace {

/// The value of a variable; nothing, and a fault, if there is none.
std::optional<std::string> take(Findings& findings, const Environment& environment,
                                std::string_view key, const std::string& variable) {
  const std::string path = fmt::format("{}.{}", kRoot, key);
  if (variable.empty() || findings.faulty(path)) return std::nullopt;
  const auto found = environment.find(variable);
  if (found != environment.end() && !found->second.empty()) return found->second;
  findings.fault(
      path, refusal(fmt::format("the variable \"{}\" {}", variable,
                                found == environment.end() ? "that is not set" : "that is empty"),
                    "the name of a variable that holds the secret"));
  return std::nullopt;
}

constexpr std::string_view kJwt = "client_identification.jwt";

}  // namespace

Secrets take_secrets(Findings& findings, const Environment& environment,
                     const RateLimitConfig& config) {
  Secrets secrets;
  if (auto token = take(findings, environment, "admin.token_env", config.admin_token_env)) {
    secrets.emplace(config.admin_token_env, std::move(*token));
  }
  return secrets;
}

std::string take_token_keys(Findings& findings, const Environment& environment,
                            const FileReader& read_file, const RateLimitConfig& config) {
  const auto& jwt = config.client_identification.jwt;
  if (!jwt || !jwt->verify_signature) return "";
  const bool set = !jwt->jwks_file.empty();
  const std::string& file = set ? jwt->jwks_file : jwt->public_key_file;
  const std::string_view name = set ? "jwks_file" : "public_key_file";
  const std::string key = fmt::format("{}.{}", kJwt, file.empty() ? "secret_env" : name);
  const std::string path = fmt::format("{}.{}", kRoot, key);
  // Of what is faulty itself nothing more can be said.
  const bool algorithms_faulty =
      findings.faulty_within(fmt::format("{}.{}.algorithms", kRoot, kJwt));
  std::string material;
  if (file.empty()) {
    if (algorithms_faulty) return "";
    auto secret = take(findings, environment, key, jwt->secret_env);
    if (!secret) return "";
    material = std::move(*secret);
  } else {
    if (read_file == nullptr || findings.faulty(path)) return "";
    auto text = read_file(file);
    if (!text) {
      findings.fault(path, fmt::format("\"{}\": {}", file, text.error()));
      return "";
    }
    material = std::move(*text);
  }
  if (algorithms_faulty) return "";
  if (const auto keys = read_token_keys(*jwt, material); !keys) {
    const std::string where = file.empty() ? "" : fmt::format("in \"{}\" ", file);
    findings.fault(path, fmt::format("found {}{}", where, keys.error()));
  }
  return material;
}

}  // namespace tidegate::config
