// nginx's headers. They are C, and know nothing of ours.
#pragma once

extern "C" {
// The first must be the first.
#include <ngx_config.h>
// clang-format off
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <ngx_http.h>
// clang-format on
}

#include <algorithm>
#include <cstddef>
#include <exception>
#include <string_view>

namespace tidegate::nginx {

[[nodiscard]] inline std::string_view view(const ngx_str_t& text) {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

/// For nginx, which does not write to what it is handed so.
[[nodiscard]] inline ngx_str_t borrowed(std::string_view text) {
  return {text.size(), reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

/// A copy that lives as long as the pool, with a 0 behind it, as nginx takes some texts for those
/// of C; data is null where there is no memory.
[[nodiscard]] inline ngx_str_t copied(std::string_view text, ngx_pool_t* pool) {
  auto* const data = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
  if (data == nullptr) return ngx_null_string;
  *std::ranges::copy(text, data).out = 0;
  return {text.size(), data};
}

/// nginx knows no exceptions: what fails for want of memory, or of threads, ends as `failed`.
template <class Result, class Work>
Result without_exceptions(Result failed, Work work) noexcept {
  try {
    return work();
  } catch (const std::exception& error) {
    ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "tidegate: %s", error.what());
    return failed;
  }
}
template <class Work>
void without_exceptions(Work work) noexcept {
  without_exceptions(0, [&work] {
    work();
    return 0;
  });
}

/// Makes an event call `Handle`, a member function of `it`, which must outlive the event's use.
template <auto Handle, class T>
void prepare(ngx_event_t& event, T& it) {
  event.data = &it;
  event.log = ngx_cycle->log;
  event.handler = [](ngx_event_t* happened) {
    without_exceptions([happened] { (static_cast<T*>(happened->data)->*Handle)(); });
  };
}

}  // namespace tidegate::nginx
