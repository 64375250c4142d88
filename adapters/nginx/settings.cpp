#include "adapters/nginx/settings.hpp"

#include <unistd.h>

#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/nginx/operations.hpp"
#include "adapters/nginx/worker.hpp"

namespace tidegate::nginx {
namespace {

MainSettings& main_of(ngx_conf_t* conf) {
  return *static_cast<MainSettings*>(
      ngx_http_conf_get_module_main_conf(conf, ngx_http_tidegate_module));
}

char* const kFailed = static_cast<char*>(NGX_CONF_ERROR);

char* failed_with(const char* text) {
  return const_cast<char*>(text);  // NOLINT(*-const-cast): nginx only reads it
}

char* set_config(ngx_conf_t* conf, ngx_command_t* /*command*/, void* /*settings*/) {
  MainSettings& settings = main_of(conf);
  if (settings.file) return failed_with("is duplicate");
  ngx_str_t path = static_cast<ngx_str_t*>(conf->args->elts)[1];
  constexpr ngx_uint_t kBesideTheConfiguration = 1;
  if (ngx_conf_full_name(conf->cycle, &path, kBesideTheConfiguration) != NGX_OK) return kFailed;
  settings.file = std::string(view(path));
  return NGX_CONF_OK;
}

char* set_enabled(ngx_conf_t* conf, ngx_command_t* command, void* settings) {
  char* const set = ngx_conf_set_flag_slot(conf, command, settings);
  if (static_cast<LocationSettings*>(settings)->enabled == 1) main_of(conf).used = true;
  return set;
}

/// Whoever is to put things right must not be locked out: such a location is never limited.
char* set_operations(ngx_conf_t* conf, ngx_command_t* /*command*/, void* settings) {
  ngx_flag_t& enabled = static_cast<LocationSettings*>(settings)->enabled;
  if (enabled == 1) return failed_with("is for a location without \"tidegate on\"");
  enabled = 0;
  auto* const core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_conf_get_module_loc_conf(conf, ngx_http_core_module));
  core->handler = &answer_operations;
  main_of(conf).used = true;
  return NGX_CONF_OK;
}

/// Workers lose the environment but for what is named so. A reload that one of them takes up reads
/// the configuration again, and needs what was laid over it.
bool keep_environment(ngx_cycle_t* cycle, const LoadedConfig& loaded) {
  auto* const core =
      reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const std::string_view name = variable.substr(0, variable.find('='));
    const bool ours =
        name.starts_with("RATE_LIMIT_") || name == "REDIS_URL" || loaded.secrets.contains(name);
    if (!ours || name.size() == variable.size()) continue;
    auto* const entry = static_cast<ngx_str_t*>(ngx_array_push(&core->env));
    if (entry == nullptr) return false;
    *entry = copied(name, cycle->pool);
    if (entry->data == nullptr) return false;
  }
  return true;
}

/// nginx opens its files again when it is told to (SIGUSR1), in the master first, so that the file
/// belongs to the workers' user: the limiter's log is one of them, and the limiter does as they do.
bool reopen_with_others(ngx_cycle_t* cycle, std::string_view path) {
  ngx_str_t name = copied(path, cycle->pool);
  ngx_open_file_t* const file = name.data == nullptr ? nullptr : ngx_conf_open_file(cycle, &name);
  if (file == nullptr) return false;
  file->flush = [](ngx_open_file_t* /*file*/, ngx_log_t* /*log*/) {
    without_exceptions([] {
      if (Worker* const worker = Worker::current()) worker->limiter().reopen_log();
    });
  };
  return true;
}

ngx_uint_t level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return NGX_LOG_DEBUG;
    case LogLevel::info:
      return NGX_LOG_NOTICE;
    case LogLevel::warning:
      return NGX_LOG_WARN;
    case LogLevel::error:
      return NGX_LOG_ERR;
  }
  return NGX_LOG_ERR;
}

void log_line(ngx_uint_t level, ngx_log_t* log, std::string_view line) {
  const ngx_str_t text = borrowed(line);
  ngx_log_error(level, log, 0, "tidegate: %V", &text);
}

}  // namespace

// NOLINTNEXTLINE(*-avoid-c-arrays): nginx reads it as such
ngx_command_t commands[] = {
    {ngx_string("tidegate_config"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, &set_config,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("tidegate"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_FLAG, &set_enabled,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationSettings, enabled), nullptr},
    {ngx_string("tidegate_client"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
     &ngx_http_set_complex_value_slot, NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationSettings, client),
     nullptr},
    {ngx_string("tidegate_tier"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
     &ngx_http_set_complex_value_slot, NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationSettings, tier),
     nullptr},
    {ngx_string("tidegate_cost"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
     &ngx_http_set_complex_value_slot, NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocationSettings, cost),
     nullptr},
    {ngx_string("tidegate_operations"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, &set_operations,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    ngx_null_command};

MainSettings* MainSettings::of(ngx_cycle_t* cycle) {
  if (cycle == nullptr || cycle->conf_ctx == nullptr) return nullptr;
  return static_cast<MainSettings*>(
      ngx_http_cycle_get_module_main_conf(cycle, ngx_http_tidegate_module));
}

void* create_main_settings(ngx_conf_t* conf) {
  ngx_pool_cleanup_t* const cleanup = ngx_pool_cleanup_add(conf->pool, 0);
  auto* const settings = cleanup == nullptr ? nullptr : new (std::nothrow) MainSettings;
  if (settings == nullptr) return nullptr;
  cleanup->data = settings;
  cleanup->handler = [](void* data) { delete static_cast<MainSettings*>(data); };
  return settings;
}

void* create_location_settings(ngx_conf_t* conf) {
  void* const place = ngx_palloc(conf->pool, sizeof(LocationSettings));
  return place == nullptr ? nullptr : new (place) LocationSettings;
}

char* merge_location_settings(ngx_conf_t* /*conf*/, void* parent, void* child) {
  const auto& from = *static_cast<LocationSettings*>(parent);
  auto& to = *static_cast<LocationSettings*>(child);
  ngx_conf_merge_value(to.enabled, from.enabled, 0);
  if (to.client == nullptr) to.client = from.client;
  if (to.tier == nullptr) to.tier = from.tier;
  if (to.cost == nullptr) to.cost = from.cost;
  return NGX_CONF_OK;
}

ngx_int_t load_limits(ngx_conf_t* conf) {
  MainSettings& settings = main_of(conf);
  if (!settings.used && !settings.file) return NGX_OK;
  auto loaded = load_config(settings.file);
  if (!loaded) {
    // Who only sends a signal (nginx -s stop) is told, and heard.
    const bool signals = ngx_process == NGX_PROCESS_SIGNALLER;
    for (const Fault& fault : loaded.error()) {
      log_line(signals ? NGX_LOG_WARN : NGX_LOG_EMERG, conf->log, to_string(fault));
    }
    return signals ? NGX_OK : NGX_ERROR;
  }
  for (const std::string& warning : loaded->warnings) log_line(NGX_LOG_WARN, conf->log, warning);
  if (!keep_environment(conf->cycle, *loaded)) return NGX_ERROR;
  if (loaded->config.log != "stderr" && !reopen_with_others(conf->cycle, loaded->config.log)) {
    return NGX_ERROR;
  }
  settings.loaded = std::move(*loaded);
  return NGX_OK;
}

ngx_int_t open_limiter(ngx_cycle_t* cycle) {
  MainSettings* const settings = MainSettings::of(cycle);
  if (ngx_test_config != 0 || settings == nullptr || !settings->used) return NGX_OK;
  auto limiter = Limiter::open(*settings->loaded);
  if (limiter) {
    settings->limiter = std::move(*limiter);
    settings->lines = std::make_shared<posix::LogLines>();
    settings->limiter->log_to([lines = settings->lines](LogLevel level, std::string_view line) {
      lines->add(level, line);
    });
    return NGX_OK;
  }
  log_line(NGX_LOG_EMERG, cycle->log, limiter.error().message);
  const MainSettings* const before = MainSettings::of(cycle->old_cycle);
  if (before == nullptr || before->limiter == nullptr) return NGX_ERROR;
  settings->limiter = before->limiter;
  settings->lines = before->lines;
  return NGX_OK;
}

void flush_log(posix::LogLines& lines, ngx_log_t* log) {
  if (!lines.any()) return;
  for (const auto& [level, line] : lines.take()) log_line(level_of(level), log, line);
}

}  // namespace tidegate::nginx
