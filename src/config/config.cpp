// parse_config and validate: the order of the steps from text to a valid configuration.
#include "tidegate/config.hpp"

#include <fmt/format.h>

#include <utility>

#include "config/checks.hpp"
#include "config/document.hpp"
#include "config/environment.hpp"
#include "config/findings.hpp"
#include "config/limit.hpp"
#include "config/secrets.hpp"
#include "config/suggest.hpp"
#include "config/tables.hpp"
#include "config/token_keys.hpp"
#include "config/write.hpp"

namespace tidegate {
namespace {

using config::Findings;
using config::kRoot;

/// `algorithm` is the one thing rules inherit.
void inherit_algorithm(Findings& findings, RateLimitConfig& config) {
  const std::string root_algorithm = fmt::format("{}.algorithm", kRoot);
  const auto inherit = [&](const std::string& path, LimitConfig& limit) {
    if (findings.given(path + ".algorithm")) return;
    limit.algorithm = config.default_limit.algorithm;
    if (findings.faulty(root_algorithm)) findings.distrust(path + ".algorithm");
  };
  for (std::size_t i = 0; i < config.tiers.size(); ++i) {
    inherit(fmt::format("{}.tiers[{}]", kRoot, i), config.tiers[i].limit);
  }
  for (std::size_t i = 0; i < config.endpoints.size(); ++i) {
    const std::string path = fmt::format("{}.endpoints[{}]", kRoot, i);
    inherit(path, config.endpoints[i].limit);
    for (auto& [tier, limit] : config.endpoints[i].tiers) {
      inherit(fmt::format("{}.tiers.{}", path, config::path_key(tier)), limit);
    }
  }
}

/// A file without our table means the defaults, which somebody who misspelt it would not expect.
std::string missing_table_warning(const config::Table& document, std::string_view file) {
  std::string near;
  for (const config::Entry& entry : document) {
    if (config::edit_distance(entry.key, kRoot) <= 3) {
      near = fmt::format("; [{}] is not read", config::path_key(entry.key));
    }
  }
  return fmt::format("{}: no table [{}], so the defaults apply{}", file, kRoot, near);
}

}  // namespace

std::expected<LoadedConfig, std::vector<Fault>> parse_config(std::string_view toml,
                                                             std::string_view file,
                                                             const Environment& environment,
                                                             const FileReader& read_file) {
  if (toml.size() > kMaxConfigBytes) {
    return std::unexpected(std::vector{
        Fault{std::string{file}, 0, 0, "", "found more than 2 MiB, allowed: at most 2 MiB"}});
  }
  auto document = config::parse_document(toml, file);
  if (!document) return std::unexpected(std::vector{std::move(document.error())});

  LoadedConfig loaded{.config = {}, .file = std::string{file}, .text = ""};
  RateLimitConfig& config = loaded.config;
  const std::string root_path{kRoot};
  config::Node absent{.place = {file, 0, 0}, .value = config::Table{}};
  config::Node* root = config::find(*document, kRoot);
  if (root == nullptr) {
    if (!file.empty()) loaded.warnings.push_back(missing_table_warning(*document, file));
    root = &absent;
  }

  Findings findings;
  findings.place(root_path, root->place);
  if (auto* table = std::get_if<config::Table>(&root->value)) {
    if (root != &absent) loaded.text = config::write_table(root_path, *table);
    config::overlay_environment(findings, environment, *table);
  }
  if (config::read_table(findings, root_path, *root, config::root_fields(), config)) {
    config::finish_limit(findings, root_path, config::kDefaultLimitNames, config.default_limit);
  }
  inherit_algorithm(findings, config);
  const bool backend_given = findings.given(fmt::format("{}.backend", kRoot));
  if (!backend_given && !config.redis.url.empty()) config.backend = BackendKind::redis;

  config::check_together(findings, config);
  loaded.secrets = config::take_secrets(findings, environment, config);
  config::take_redis_files(findings, read_file, loaded);
  config::take_token_keys(findings, environment, read_file, loaded);
  if (findings.any_faults()) return std::unexpected(findings.take_faults());

  for (std::string& warning : findings.take_warnings()) {
    loaded.warnings.push_back(std::move(warning));
  }
  for (std::string& warning : config::environment_warnings(environment, config)) {
    loaded.warnings.push_back(std::move(warning));
  }
  return loaded;
}

std::vector<Fault> validate(const RateLimitConfig& config) {
  Findings findings;
  config::check_table(findings, std::string{kRoot}, config::root_fields(), config);
  config::check_together(findings, config);
  return findings.take_faults();
}

}  // namespace tidegate
