#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "adapters/asio/load.hpp"
#include "core/ascii.hpp"

namespace tidegate {

std::uint32_t LoadResult::quantile_us(double part) const {
  if (latencies_us.empty()) return 0;
  const auto rank =
      static_cast<std::size_t>(std::ceil(part * static_cast<double>(latencies_us.size())));
  return latencies_us[std::clamp<std::size_t>(rank, 1, latencies_us.size()) - 1];
}

namespace server {
namespace {

std::optional<std::uint64_t> number_in(std::string_view text, int base = 10) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The value of a field in the lines of a header; nothing if it is not there.
std::optional<std::string_view> field_in(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;
       at = head.find("\r\n", at + 2)) {
    std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (!equal_ignoring_case(line.substr(0, colon), name)) continue;
    line.remove_prefix(colon + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    return line;
  }
  return std::nullopt;
}

/// Where a chunked body ends; nothing: not yet.
std::expected<std::optional<std::size_t>, Error> find_chunks_end(std::string_view bytes,
                                                                 std::size_t at) {
  for (;;) {
    const auto line_end = bytes.find("\r\n", at);
    if (line_end == std::string_view::npos) return std::nullopt;
    const std::string_view line = bytes.substr(at, line_end - at);
    const auto size = number_in(line.substr(0, line.find(';')), 16);
    if (!size) return std::unexpected(Error{"a chunk has no size"});
    const std::size_t next = line_end + 2 + *size + 2;
    if (next > bytes.size()) return std::nullopt;
    if (*size == 0) return next;
    at = next;
  }
}

}  // namespace

std::expected<std::optional<ResponseEnd>, Error> find_end(std::string_view bytes) {
  const auto head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return std::nullopt;
  const std::string_view head = bytes.substr(0, head_end);
  ResponseEnd end;
  const auto status =
      number_in(head.substr(0, head.find("\r\n")).substr(std::min<std::size_t>(9, head.size()), 3));
  if (!head.starts_with("HTTP/1.") || !status || *status < 100) {
    return std::unexpected(Error{"the answer is no HTTP/1.1"});
  }
  end.status = static_cast<unsigned>(*status);
  const auto connection = field_in(head, "Connection");
  end.closes = connection && equal_ignoring_case(*connection, "close");
  const std::size_t body = head_end + 4;
  if (const auto length = field_in(head, "Content-Length")) {
    const auto size = number_in(*length);
    if (!size) return std::unexpected(Error{"Content-Length is no number"});
    end.size = body + *size;
    return bytes.size() < end.size ? std::nullopt : std::optional(end);
  }
  if (field_in(head, "Transfer-Encoding")) {
    const auto chunks = find_chunks_end(bytes, body);
    if (!chunks) return std::unexpected(chunks.error());
    if (!*chunks) return std::nullopt;
    end.size = **chunks;
    return end;
  }
  if (end.status == 204 || end.status == 304) {
    end.size = body;
    return end;
  }
  return std::unexpected(Error{"the answer does not say where it ends"});
}

std::expected<LoadTarget, Error> read_url(std::string_view url) {
  const auto wrong = [url](std::string_view why) {
    return std::unexpected(Error{fmt::format("{}: {}; a URL is http://host:port/path", url, why)});
  };
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://")) return wrong("TLS is not spoken here");
  if (!url.starts_with(kScheme)) return wrong("it begins otherwise");
  std::string_view rest = url.substr(kScheme.size());
  LoadTarget target;
  const auto slash = rest.find('/');
  target.target = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  rest = rest.substr(0, slash);
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return wrong("its [ has no ]");
    target.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    const auto colon = std::min(rest.find(':'), rest.size());
    target.host = rest.substr(0, colon);
    rest.remove_prefix(colon);
  }
  if (target.host.empty()) return wrong("it names no host");
  target.port = "80";
  if (!rest.empty()) {
    const auto port = rest.front() == ':' ? number_in(rest.substr(1)) : std::nullopt;
    if (!port || *port == 0 || *port > 65'535) return wrong("its port is not a number up to 65535");
    target.port = rest.substr(1);
  }
  const auto unfit = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  if (std::ranges::any_of(target.target, unfit)) return wrong("it has a blank");
  return target;
}

}  // namespace server
}  // namespace tidegate
