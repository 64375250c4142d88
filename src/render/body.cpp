// The JSON body of a rejection, and its message for gRPC.
#include "core/ascii.hpp"
#include "core/json_text.hpp"
#include "render/grpc.hpp"
#include "render/numbers.hpp"
#include "tidegate/response.hpp"

namespace tidegate {
namespace {

/// So much of a path, escapes included, is repeated to whoever sent it.
constexpr std::size_t kMaxPathBytes = 256;

void append_path(const Decision& decision, std::string& out) {
  append_json_text(decision.path, kMaxPathBytes, out);
}

void append_exceeded_limit(const Decision& decision, std::string& out) {
  out += "Rate limit";
  if (const WindowState* window = decision.fields(); window != nullptr) {
    out += " of ";
    append_number(out, window->limit);
    out += " requests per ";
    append_seconds(out, window->window_us);
    out += " seconds";
  }
  out += " exceeded for endpoint ";
  append_path(decision, out);
}

/// One wording for each reason, whatever the numbers, so that it can be searched for.
void append_message(const Decision& decision, std::string& out) {
  switch (decision.denial) {
    case Denial::none:
    case Denial::rate_limit_exceeded:
    case Denial::multiple_windows_exceeded:
      append_exceeded_limit(decision, out);
      return;
    case Denial::penalty_active:
      out += "Rate limits were exceeded too often: requests for endpoint ";
      append_path(decision, out);
      out += " are refused until the penalty ends";
      return;
    case Denial::maintenance:
      out += "Endpoint ";
      append_path(decision, out);
      out += " is closed for maintenance";
      return;
    case Denial::cost_exceeds_limit:
      out += "A cost of ";
      append_number(out, decision.cost);
      out += " is more than the rate limit can ever admit for endpoint ";
      append_path(decision, out);
      return;
    case Denial::rate_limiter_unavailable:
      out += "The rate limiter is unavailable: requests for endpoint ";
      append_path(decision, out);
      out += " are refused until it is back";
      return;
  }
}

void append_number_or_null(std::optional<std::uint64_t> number, std::string& out) {
  if (number) {
    append_number(out, *number);
  } else {
    out += "null";
  }
}

void append_window(const WindowState& window, std::string& out) {
  std::optional<std::uint64_t> seconds;
  if (window.retry_after_us) seconds = retry_seconds(*window.retry_after_us);
  out += "{\"limit\":";
  append_number(out, window.limit);
  out += ",\"window_seconds\":";
  append_seconds(out, window.window_us);
  out += ",\"retry_after_seconds\":";
  append_number_or_null(seconds, out);
  out += '}';
}

/// The windows that said no, in the order of the configuration.
void append_exceeded_windows(const Decision& decision, std::string& out) {
  out += ",\"windows\":[";
  bool first = true;
  for (const WindowState& window : decision.windows) {
    if (!window.exceeded) continue;
    if (!first) out += ',';
    first = false;
    append_window(window, out);
  }
  out += ']';
}

}  // namespace

void append_rejection_body(const Decision& decision, std::string& out) {
  const WindowState* const window = decision.fields();
  out += "{\"error\":\"";
  out += to_string(decision.denial);
  out += "\",\"message\":\"";
  append_message(decision, out);
  out += "\",\"retry_after_seconds\":";
  append_number_or_null(calculate_retry_after(decision), out);
  out += ",\"limit\":";
  append_number_or_null(window == nullptr ? std::nullopt : std::optional(window->limit), out);
  out += ",\"window_seconds\":";
  if (window == nullptr) {
    out += "null";
  } else {
    append_seconds(out, window->window_us);
  }
  if (decision.denial == Denial::multiple_windows_exceeded) append_exceeded_windows(decision, out);
  out += '}';
}

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!equal_ignoring_case(content_type.substr(0, kGrpc.size()), kGrpc)) return false;
  const std::string_view rest = content_type.substr(kGrpc.size());
  return rest.empty() || std::string_view("+;- ").find(rest.front()) != std::string_view::npos;
}

unsigned grpc_status(const Decision& decision) {
  constexpr unsigned kResourceExhausted = 8;
  constexpr unsigned kUnavailable = 14;
  return decision.outcome == Outcome::failed_closed ? kUnavailable : kResourceExhausted;
}

void append_grpc_message(const Decision& decision, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string message;
  append_message(decision, message);
  for (const char c : message) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

}  // namespace tidegate
