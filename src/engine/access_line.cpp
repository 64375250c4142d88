#include "engine/access_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace tidegate {
namespace {

constexpr std::size_t kMaxMethodBytes = 32;
constexpr unsigned kLastYear = 2085;  // the last whole one that ticks can count

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  if (!is_number(text)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

/// What an escape stands for, taken off `rest`, which begins behind the backslash. Nothing: it is
/// none, and the backslash stands for itself.
std::optional<char> take_escape(std::string_view& rest) {
  static constexpr std::string_view kLetters = "\"\\nrtbvfa";
  static constexpr std::string_view kMeanings = "\"\\\n\r\t\b\v\f\a";
  if (rest.empty()) return std::nullopt;
  if (rest.size() >= 3 && rest[0] == 'x') {
    const int high = hex_digit(rest[1]);
    const int low = hex_digit(rest[2]);
    if (high < 0 || low < 0) return std::nullopt;
    rest.remove_prefix(3);
    return static_cast<char>(high * 16 + low);
  }
  const std::size_t letter = kLetters.find(rest[0]);
  if (letter == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(1);
  return kMeanings[letter];
}

/// Takes a quoted text off `rest`, and undoes its escapes. False: there is none, or it has no end.
bool take_quoted(std::string_view& rest, std::string& out) {
  out.clear();
  if (!rest.starts_with('"')) return false;
  rest.remove_prefix(1);
  for (;;) {
    const std::size_t plain = rest.find_first_of("\"\\");
    if (plain == std::string_view::npos) return false;
    out += rest.substr(0, plain);
    const char c = rest[plain];
    rest.remove_prefix(plain + 1);
    if (c == '"') return true;
    out += take_escape(rest).value_or('\\');
  }
}

/// Takes what stands before the next blank off `rest`, and the blank.
std::string_view take_word(std::string_view& rest) {
  const std::size_t blank = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(std::min(blank + 1, rest.size()));
  return word;
}

/// Seconds since the Unix epoch of "24/Nov/2026:10:00:00 +0100".
std::optional<std::uint64_t> read_time(std::string_view text) {
  static constexpr std::string_view kShape = "dd/Mon/yyyy:hh:mm:ss +zzzz";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != kShape.size() || (text[21] != '+' && text[21] != '-')) return std::nullopt;
  for (const std::size_t i : {2U, 6U, 11U, 14U, 17U, 20U}) {
    if (text[i] != kShape[i]) return std::nullopt;
  }
  bool in_range = true;
  const auto part = [&](std::size_t at, std::size_t size, unsigned most) -> unsigned {
    const auto value = number(text.substr(at, size));
    in_range = in_range && value && *value <= most;
    return static_cast<unsigned>(value.value_or(0));
  };
  const std::size_t month = kMonths.find(text.substr(3, 3));
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(part(7, 4, kLastYear))},
                                         std::chrono::month{static_cast<unsigned>(month / 3 + 1)},
                                         std::chrono::day{part(0, 2, 31)}};
  const std::chrono::seconds clock = std::chrono::hours{part(12, 2, 23)} +
                                     std::chrono::minutes{part(15, 2, 59)} +
                                     std::chrono::seconds{part(18, 2, 60)};  // a leap second
  const std::chrono::minutes east =
      std::chrono::hours{part(22, 2, 14)} + std::chrono::minutes{part(24, 2, 59)};
  if (!in_range || month == std::string_view::npos || month % 3 != 0 || !date.ok()) {
    return std::nullopt;
  }
  const auto local = std::chrono::sys_days{date}.time_since_epoch() + clock;
  const std::chrono::seconds utc = text[21] == '+' ? local - east : local + east;
  if (utc.count() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(utc.count());
}

/// The client's address at the beginning of a line; before it a virtual host with its port may
/// stand. False: there is none.
bool read_peer(std::string_view line, std::optional<IpAddress>& out) {
  const std::string_view word = take_word(line);
  if (word == "unix:") {
    out.reset();
    return true;
  }
  out = IpAddress::parse(word);
  if (out) return true;
  const std::size_t colon = word.rfind(':');
  if (colon == std::string_view::npos || !is_number(word.substr(colon + 1))) return false;
  out = IpAddress::parse(take_word(line));
  return out.has_value();
}

bool is_method(std::string_view text) {
  const auto in_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  return !text.empty() && text.size() <= kMaxMethodBytes && std::ranges::all_of(text, in_token);
}

/// Splits a request line. Servers accept blanks within a target, so the version is what follows the
/// last one. False: it is no request of HTTP.
bool split_request(std::string_view text, std::string& method, std::string& target) {
  const std::string_view first = take_word(text);
  if (!is_method(first)) return false;
  const std::size_t blank = text.rfind(' ');
  if (blank != std::string_view::npos && text.substr(blank + 1).starts_with("HTTP/")) {
    text = text.substr(0, blank);
  } else if (first != "GET") {
    return false;  // HTTP/0.9 names no version, and knows no other method
  }
  if (text.empty()) return false;
  method = first;
  target = text;
  return true;
}

}  // namespace

std::string_view to_string(AccessLineFault fault) {
  switch (fault) {
    case AccessLineFault::format:
      return "not a line of an access log, or cut off";
    case AccessLineFault::address:
      return "the client is no address";
    case AccessLineFault::time:
      return "the time cannot be read";
    case AccessLineFault::no_request:
      return "no request was received";
    case AccessLineFault::not_http:
      return "what was received was no HTTP request";
    case AccessLineFault::order:
      return "more than an hour older than a line before it (the oldest file comes first)";
  }
  return "";
}

std::optional<AccessLineFault> read_access_line(std::string_view line, AccessLine& out) {
  using enum AccessLineFault;
  if (line.size() > kMaxAccessLineBytes) return format;
  if (line.ends_with('\r')) line.remove_suffix(1);

  // From the request backwards: what stands between address and time is a name that the client may
  // have chosen, brackets and all, but for the quote.
  const std::size_t quote = line.find('"');
  if (quote == std::string_view::npos) return format;
  std::string_view before = line.substr(0, quote);
  const std::size_t bracket = before.rfind('[');
  if (bracket == std::string_view::npos || !before.ends_with("] ")) return format;
  before.remove_suffix(2);
  std::string_view rest = line.substr(quote);
  std::string& request = out.user_agent;  // its memory, until the agent is read
  if (!take_quoted(rest, request) || !rest.starts_with(' ')) return format;
  rest.remove_prefix(1);
  const std::string_view status = take_word(rest);
  const std::string_view bytes = take_word(rest);
  if ((status.size() != 3 || !is_number(status)) && status != "-") return format;
  if (!is_number(bytes) && bytes != "-") return format;

  if (!read_peer(before, out.peer)) return address;
  const auto time_s = read_time(before.substr(bracket + 1));
  if (!time_s) return time;
  out.time_s = *time_s;
  if (request.empty() || request == "-") return no_request;
  if (!split_request(request, out.method, out.target)) return not_http;
  out.status = static_cast<unsigned>(number(status).value_or(0));

  std::string& skipped = out.user_agent;
  if (!take_quoted(rest, skipped) || !rest.starts_with(' ')) {
    out.user_agent.clear();  // the common format ends here
    return std::nullopt;
  }
  rest.remove_prefix(1);
  if (!take_quoted(rest, out.user_agent)) return format;
  return std::nullopt;
}

}  // namespace tidegate
