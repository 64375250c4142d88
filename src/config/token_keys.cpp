#include "config/token_keys.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "config/checks.hpp"
#include "config/kind.hpp"
#include "config/secrets.hpp"
#include "identity/token_keys.hpp"

namespace tidegate::config {
namespace {

constexpr std::string_view kTable = "client_identification.jwt";

std::string path_of(std::string_view key) { return fmt::format("{}.{}.{}", kRoot, kTable, key); }

void take_secret(Findings& findings, const Environment& environment, const JwtConfig& jwt,
                 LoadedConfig& loaded) {
  const std::string key = fmt::format("{}.secret_env", kTable);
  const std::string* const secret = find_secret(findings, environment, key, jwt.secret_env);
  if (secret == nullptr) return;
  if (const auto keys = TokenKeys::from_secret(*secret); !keys) {
    return findings.fault(
        path_of("secret_env"),
        fmt::format("found in the variable {} {}", shown(jwt.secret_env), keys.error().message));
  }
  loaded.secrets.emplace(jwt.secret_env, *secret);
}

/// Every algorithm needs a key. A key set may get one later, a single key never.
void check_algorithms(Findings& findings, const JwtConfig& jwt, const TokenKeys& keys,
                      bool is_set) {
  bool any = false;
  for (const std::string& name : jwt.algorithms) {
    const auto algorithm = algorithm_named(name);
    any = any || (algorithm && keys.has_kind(kind_for(*algorithm)));
  }
  for (std::size_t i = 0; i < jwt.algorithms.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", path_of("algorithms"), i);
    const auto algorithm = algorithm_named(jwt.algorithms[i]);
    if (!algorithm || findings.faulty(path) || keys.has_kind(kind_for(*algorithm))) continue;
    const std::string message =
        fmt::format("{} without a key for it, which would be {}", shown(jwt.algorithms[i]),
                    to_string(kind_for(*algorithm)));
    if (is_set && any) {
      findings.warn(path, message);
    } else {
      findings.fault(path, refusal(message, "algorithms that the keys are for"));
    }
  }
}

void take_file(Findings& findings, const FileReader& read_file, const JwtConfig& jwt,
               LoadedConfig& loaded) {
  const bool is_set = !jwt.jwks_file.empty();
  const std::string path = path_of(is_set ? "jwks_file" : "public_key_file");
  if (findings.faulty(path)) return;
  const std::string& file = key_file_of(jwt);
  const auto text = read_file ? read_file(file)
                              : std::unexpected(Error{"cannot be read: nobody here reads files"});
  if (!text) {
    return findings.fault(path, fmt::format("{}: {}", shown(file), text.error().message));
  }
  const auto keys = TokenKeys::from_source(jwt, *text);
  if (!keys) {
    return findings.fault(path, fmt::format("found in {} {}", shown(file), keys.error().message));
  }
  check_algorithms(findings, jwt, *keys, is_set);
  for (const std::string& why : keys->set_aside()) {
    findings.warn(path, fmt::format("not all of {} is used, {}", shown(file), why));
  }
  loaded.key_files.emplace(file, *text);
}

}  // namespace

void take_token_keys(Findings& findings, const Environment& environment,
                     const FileReader& read_file, LoadedConfig& loaded) {
  const auto& jwt = loaded.config.client_identification.jwt;
  if (!jwt) return;
  if (!jwt->verify_signature) {
    return findings.warn(path_of("verify_signature"),
                         "false: every token is believed, whoever has written it; anybody can be "
                         "any user of any tier");
  }
  if (key_file_of(*jwt).empty()) {
    take_secret(findings, environment, *jwt, loaded);
  } else {
    take_file(findings, read_file, *jwt, loaded);
  }
}

}  // namespace tidegate::config
