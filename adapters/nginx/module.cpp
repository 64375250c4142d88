// The module as nginx sees it: where it stands among others, and its entry points.
#include <array>
#include <string>
#include <string_view>

#include "adapters/nginx/gate.hpp"
#include "adapters/nginx/nginx.hpp"
#include "adapters/nginx/response.hpp"
#include "adapters/nginx/settings.hpp"
#include "adapters/nginx/worker.hpp"

namespace tidegate::nginx {
namespace {

ngx_http_output_header_filter_pt next_header_filter;

// --- requests

/// Once for each main request: subrequests and internal redirects are part of it.
ngx_int_t on_preaccess(ngx_http_request_t* request) {
  if (request != request->main) return NGX_DECLINED;
  return without_exceptions(ngx_int_t{NGX_DECLINED}, [request]() -> ngx_int_t {
    Gate* gate = Gate::of(request);
    if (gate == nullptr) {
      const LocationSettings& settings = LocationSettings::of(request);
      Worker* const worker = Worker::current();
      if (settings.enabled == 0 || worker == nullptr) return NGX_DECLINED;
      gate = worker->take_gate();
      gate->begin(request, settings, worker->limiter(), worker->session());
      worker->flush_log();
    }
    return gate->go_on();
  });
}

ngx_int_t on_response(ngx_http_request_t* request) {
  if (request == request->main) {
    const auto marked = without_exceptions(ngx_int_t{NGX_OK}, [request]() -> ngx_int_t {
      const Gate* const gate = Gate::of(request);
      if (gate == nullptr || gate->decision() == nullptr) return NGX_OK;
      return mark(request, *gate->decision(), gate->limiter());
    });
    if (marked != NGX_OK) return marked;
  }
  return next_header_filter(request);
}

// --- variables

/// What a variable says of a decision; empty: nothing.
using Say = std::string (*)(const Decision&);

struct Variable {
  std::string_view name;
  Say say;
};

template <auto Member>
std::string number_of(const Decision& decision) {
  const WindowState* const window = decision.fields();
  return window == nullptr ? "" : std::to_string(window->*Member);
}

constexpr std::array<Variable, 6> kVariables{
    {{"tidegate_outcome", [](const Decision& it) { return std::string(to_string(it.outcome)); }},
     {"tidegate_client", [](const Decision& it) { return it.client.client_id; }},
     {"tidegate_tier", [](const Decision& it) { return it.client.tier; }},
     {"tidegate_endpoint", [](const Decision& it) { return it.endpoint; }},
     {"tidegate_limit", &number_of<&WindowState::limit>},
     {"tidegate_remaining", &number_of<&WindowState::remaining>}}};

ngx_int_t say_variable(ngx_http_request_t* request, ngx_http_variable_value_t* value,
                       uintptr_t index) {
  return without_exceptions(ngx_int_t{NGX_ERROR}, [&]() -> ngx_int_t {
    const Gate* const gate = Gate::of(request);
    const Decision* const decision = gate == nullptr ? nullptr : gate->decision();
    const std::string text = decision == nullptr ? "" : kVariables.at(index).say(*decision);
    value->valid = 1;
    value->no_cacheable = 1;
    value->not_found = text.empty() ? 1 : 0;
    const ngx_str_t copy = copied(text, request->pool);
    if (copy.data == nullptr && !text.empty()) return NGX_ERROR;
    value->data = copy.data;
    value->len = static_cast<unsigned>(text.size()) & ((1U << 28U) - 1);
    return NGX_OK;
  });
}

ngx_int_t add_variables(ngx_conf_t* conf) {
  for (std::size_t i = 0; i < kVariables.size(); ++i) {
    ngx_str_t name = borrowed(kVariables.at(i).name);
    ngx_http_variable_t* const variable =
        ngx_http_add_variable(conf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) return NGX_ERROR;
    variable->get_handler = &say_variable;
    variable->data = i;
  }
  return NGX_OK;
}

// --- the life of the module

ngx_int_t on_configured(ngx_conf_t* conf) {
  return without_exceptions(ngx_int_t{NGX_ERROR}, [conf]() -> ngx_int_t {
    if (load_limits(conf) != NGX_OK) return NGX_ERROR;
    auto* const core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(conf, ngx_http_core_module));
    auto* const handler = static_cast<ngx_http_handler_pt*>(
        ngx_array_push(&core->phases[NGX_HTTP_PREACCESS_PHASE].handlers));
    if (handler == nullptr) return NGX_ERROR;
    *handler = &on_preaccess;
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = &on_response;
    return NGX_OK;
  });
}

ngx_int_t on_cycle(ngx_cycle_t* cycle) {
  return without_exceptions(ngx_int_t{NGX_ERROR}, [cycle] { return open_limiter(cycle); });
}

ngx_int_t on_process(ngx_cycle_t* cycle) {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
  return without_exceptions(ngx_int_t{NGX_ERROR}, [cycle]() -> ngx_int_t {
    const MainSettings* const settings = MainSettings::of(cycle);
    if (settings == nullptr || settings->limiter == nullptr) return NGX_OK;
    const auto& core =
        *reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    Worker::start(*settings, static_cast<std::size_t>(core.worker_processes),
                  ngx_process == NGX_PROCESS_WORKER);
    return NGX_OK;
  });
}

void on_process_end(ngx_cycle_t* /*cycle*/) {
  without_exceptions([] { Worker::stop(); });
}

ngx_http_module_t context{
    &add_variables, &on_configured, &create_main_settings,     nullptr,
    nullptr,        nullptr,        &create_location_settings, &merge_location_settings};

}  // namespace
}  // namespace tidegate::nginx

extern "C" {

ngx_module_t ngx_http_tidegate_module = {NGX_MODULE_V1,
                                         &tidegate::nginx::context,
                                         static_cast<ngx_command_t*>(tidegate::nginx::commands),
                                         NGX_HTTP_MODULE,
                                         nullptr,
                                         &tidegate::nginx::on_cycle,
                                         &tidegate::nginx::on_process,
                                         nullptr,
                                         nullptr,
                                         &tidegate::nginx::on_process_end,
                                         nullptr,
                                         NGX_MODULE_V1_PADDING};

// What nginx looks for in a module that it loads. Filters run in the opposite order: ours sees the
// lines that add_header has added.
// NOLINTBEGIN(*-avoid-c-arrays)
ngx_module_t* ngx_modules[] = {&ngx_http_tidegate_module, nullptr};
char ngx_http_tidegate_module_name[] = "ngx_http_tidegate_module";
char ngx_http_headers_filter_module_name[] = "ngx_http_headers_filter_module";
char* ngx_module_names[] = {ngx_http_tidegate_module_name, nullptr};
char* ngx_module_order[] = {ngx_http_tidegate_module_name, ngx_http_headers_filter_module_name,
                            nullptr};
// NOLINTEND(*-avoid-c-arrays)
}
