// How a limiter takes up another configuration, and other keys of tokens.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "adapters/posix/limiter_impl.hpp"
#include "adapters/posix/load_text.hpp"

namespace tidegate {
namespace {

/// What is wrong with rules of a program. They are checked as endpoints, which have patterns.
std::vector<Fault> faults_of(const std::vector<EndpointConfig>& rules) {
  RateLimitConfig config;
  for (const EndpointConfig& rule : rules) {
    EndpointConfig& endpoint = config.endpoints.emplace_back(rule);
    endpoint.pattern = fmt::format("/{}", config.endpoints.size());
  }
  std::vector<Fault> faults = validate(config);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].pattern.empty() && rules[i].methods.empty()) continue;
    faults.push_back({"", 0, 0, fmt::format("rate_limiting.endpoints[{}].pattern", i),
                      "allowed: none, and no methods; the program itself says where a rule holds"});
  }
  return faults;
}

}  // namespace

void Limiter::Impl::write_refused(const posix::Faults& faults) {
  write_event(LogLevel::error, "configuration_refused",
              "the rules stay as they are\n" + to_string(faults));
}

void Limiter::Impl::use(std::shared_ptr<posix::Generation> generation) {
  const auto log_changed = journal.change_file(generation->config().log);
  render_options = RenderOptions::from(generation->config());
  taken_up = generation->number;
  generations.replace(std::move(generation));
  watch_key_files();
  if (!log_changed) {
    write_event(LogLevel::error, "log_not_changed", log_changed.error().message);
  }
}

void Limiter::Impl::take_up_what_is_in_force() {
  const std::lock_guard lock(rules_mutex);
  const std::uint64_t number = config_state.generation();
  auto next = posix::take_up(segment, rules);
  if (!next) {
    // Once: the next reload may be better.
    taken_up = number;
    for (const Fault& fault : next.error()) {
      write_event(LogLevel::error, "configuration_not_taken_up", to_string(fault));
    }
    return;
  }
  const std::string source = posix::source_of((*next)->loaded);
  const std::uint64_t taken = (*next)->number;
  if (taken == generations.pin()->number) {
    taken_up = taken;
    return;
  }
  use(std::move(*next));
  write_event(LogLevel::info, "configuration_taken_up",
              fmt::format("generation {}, from {}", taken, source));
}

void Limiter::Impl::see_whether_reloaded() {
  if (config_state.generation() == taken_up) return;
  background.run([this] { take_up_what_is_in_force(); });
}

void Limiter::Impl::watch_key_files() {
  std::vector<std::string> paths;
  for (const auto& [path, text] : generations.pin()->loaded.key_files) paths.push_back(path);
  key_files.watch(std::move(paths));
}

void Limiter::Impl::see_whether_keys_changed(Micros wall) {
  if (key_files.changed(wall)) background.run([this] { read_keys_again(); });
}

void Limiter::Impl::read_keys_again() {
  key_files.note(posix::wall_us());
  bool same = config_state.generation() == generations.pin()->number;
  const auto known = generations.pin()->loaded.key_files;  // not to hold the pin meanwhile
  for (const auto& [path, text] : known) {
    const auto now = posix::read_key_file(path);
    same = same && now && *now == text;
  }
  if (same) return note_keys_error("");
  const std::lock_guard lock(rules_mutex);
  auto next = posix::take_up(segment, rules);
  if (!next) return note_keys_error(to_string(next.error().front()));
  use(std::move(*next));
  note_keys_error("");
  write_event(LogLevel::info, "keys_taken_up", "tokens are checked with the keys of another file");
}

void Limiter::Impl::note_keys_error(const std::string& error) {
  bool began = false;
  bool ended = false;
  {
    const std::lock_guard lock(keys_mutex);
    began = keys_error.empty() && !error.empty();
    ended = !keys_error.empty() && error.empty();
    keys_error = error;
  }
  if (began) {
    instruments.counters.count_warning("keys_not_read");
    write_event(LogLevel::error, "keys_not_read",
                "tokens are checked with the keys as they were: " + error);
  }
  if (ended) write_event(LogLevel::info, "keys_read", "the keys of tokens can be read again");
}

std::expected<std::uint64_t, std::vector<Fault>> Limiter::reload() {
  const auto loaded = load_config(impl_->file);
  if (loaded) return reload(*loaded);
  posix::note_refused(impl_->segment, loaded.error());
  impl_->write_refused(loaded.error());
  return std::unexpected(loaded.error());
}

std::expected<std::uint64_t, std::vector<Fault>> Limiter::reload(const LoadedConfig& config) {
  const std::lock_guard lock(impl_->rules_mutex);
  auto next = posix::put_in_force(impl_->segment, config, impl_->rules);
  if (!next) {
    impl_->write_refused(next.error());
    return std::unexpected(std::move(next.error()));
  }
  const std::uint64_t number = (*next)->number;
  impl_->use(std::move(*next));
  impl_->write_event(LogLevel::info, "configuration_reloaded",
                     fmt::format("generation {}, from {}", number, posix::source_of(config)));
  return number;
}

std::expected<void, std::vector<Fault>> Limiter::declare(std::vector<EndpointConfig> rules) {
  if (auto faults = faults_of(rules); !faults.empty()) return std::unexpected(std::move(faults));
  const std::lock_guard lock(impl_->rules_mutex);
  std::vector<EndpointConfig> all = impl_->rules;
  for (EndpointConfig& rule : rules) {
    const auto known = std::ranges::find(all, rule.name, &EndpointConfig::name);
    if (known == all.end()) {
      all.push_back(std::move(rule));
    } else {
      *known = std::move(rule);
    }
  }
  auto next = posix::take_up(impl_->segment, all);
  if (!next) return std::unexpected(std::move(next.error()));
  impl_->rules = std::move(all);
  impl_->use(std::move(*next));
  return {};
}

std::uint64_t Limiter::count_reload_request() {
  constexpr std::uint64_t kMostAMinute = 5;
  return impl_->config_state.count_request(impl_->segment.now_us(), kMostAMinute);
}

}  // namespace tidegate
