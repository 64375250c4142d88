// What nginx's configuration says to us.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "adapters/nginx/nginx.hpp"
#include "adapters/posix/log_lines.hpp"
#include "tidegate/limiter.hpp"

extern "C" ngx_module_t ngx_http_tidegate_module;

namespace tidegate::nginx {

/// Of the whole. Made anew by each reload of nginx.
struct MainSettings {
  std::optional<std::string> file;  ///< of the limits; nothing: where every command looks
  bool used = false;                ///< somewhere there is something to limit or to operate
  std::optional<LoadedConfig> loaded;
  std::shared_ptr<Limiter> limiter;
  std::shared_ptr<posix::LogLines> lines;

  static MainSettings* of(ngx_cycle_t* cycle);
};

/// Of a location; of servers and of the whole as what locations inherit.
struct LocationSettings {
  ngx_flag_t enabled = NGX_CONF_UNSET;
  // What a caller knows better than the engine; empty when it is asked: nothing.
  ngx_http_complex_value_t* client = nullptr;
  ngx_http_complex_value_t* tier = nullptr;
  ngx_http_complex_value_t* cost = nullptr;

  static const LocationSettings& of(ngx_http_request_t* request) {
    return *static_cast<LocationSettings*>(
        ngx_http_get_module_loc_conf(request, ngx_http_tidegate_module));
  }
};

extern ngx_command_t commands[];

void* create_main_settings(ngx_conf_t* conf);
void* create_location_settings(ngx_conf_t* conf);
char* merge_location_settings(ngx_conf_t* conf, void* parent, void* child);
/// Reads the configuration of the limits, if somebody uses them. Faults go to nginx's log, a line
/// each.
ngx_int_t load_limits(ngx_conf_t* conf);
/// In the master, before workers are forked: opens the limiter. Where a reload cannot, the one
/// there was goes on.
ngx_int_t open_limiter(ngx_cycle_t* cycle);

/// Hands lines of the limiter to nginx's log. On the thread of the event loop.
void flush_log(posix::LogLines& lines, ngx_log_t* log);

}  // namespace tidegate::nginx
