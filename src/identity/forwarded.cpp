#include "identity/forwarded.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "identity/header.hpp"

namespace tidegate {
namespace {

/// The entries of all lines of X-Forwarded-For, as one list, from the right. Each line has at least
/// one entry, if an empty one, so the last lines hold all the entries that are read.
class EntriesFromTheRight {
 public:
  explicit EntriesFromTheRight(const HeaderLines* headers) {
    if (headers == nullptr) return;
    headers->each(kForwardedHeader, [this](std::string_view line) {
      lines_[line_count_++ % lines_.size()] = line;
      return true;
    });
    lines_left_ = std::min(line_count_, lines_.size());
    next_line();
  }

  /// The next entry to the left, or nothing.
  std::optional<std::string_view> next() {
    if (!line_ || read_ == kMaxForwardedEntries) return std::nullopt;
    ++read_;
    const std::size_t comma = line_->rfind(',');
    if (comma == std::string_view::npos) {
      const std::string_view entry = *line_;
      next_line();
      return entry;
    }
    const std::string_view entry = line_->substr(comma + 1);
    line_ = line_->substr(0, comma);
    return entry;
  }

 private:
  void next_line() {
    line_.reset();
    if (lines_left_ == 0) return;
    --lines_left_;
    line_ = lines_[--line_count_ % lines_.size()];
  }

  std::array<std::string_view, kMaxForwardedEntries> lines_;  // the last ones, as a ring
  std::size_t line_count_ = 0;
  std::size_t lines_left_ = 0;
  std::size_t read_ = 0;
  std::optional<std::string_view> line_;  // what is left of the line being read
};

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size();
}

bool is_trusted(const IpAddress& address, const ProxyTrust& trust) {
  return std::ranges::any_of(trust.proxies,
                             [&](const Cidr& range) { return range.contains(address); });
}

}  // namespace

std::optional<IpAddress> parse_forwarded_entry(std::string_view text) {
  text = trim_blanks(text);
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    const std::string_view behind = text.substr(end + 1);
    if (!behind.empty() && (behind.front() != ':' || !is_port(behind.substr(1)))) {
      return std::nullopt;
    }
    if (inside.find(':') == std::string_view::npos) return std::nullopt;  // brackets are IPv6's
    return IpAddress::parse(inside);
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    // One colon alone is no IPv6 address: what follows is a port.
    if (!is_port(text.substr(colon + 1))) return std::nullopt;
    text = text.substr(0, colon);
  }
  return IpAddress::parse(text);
}

ClientAddress find_client_address(const std::optional<IpAddress>& peer, const HeaderLines* headers,
                                  const ProxyTrust& trust) {
  using Source = ClientAddress::Source;
  if (trust.depth == 0 && trust.proxies.empty()) return {peer, Source::peer};
  if (trust.depth == 0 && peer && !is_trusted(*peer, trust)) return {peer, Source::untrusted_peer};

  EntriesFromTheRight entries(headers);
  std::optional<IpAddress> address;
  for (std::size_t number = 1;; ++number) {
    const auto text = entries.next();
    if (!text) {
      if (trust.depth != 0 || !address) return {peer, Source::too_few};
      return {address, Source::leftmost, number - 1};
    }
    address = parse_forwarded_entry(*text);
    if (!address) return {peer, Source::not_an_address, number};
    if (trust.depth != 0 ? number == trust.depth : !is_trusted(*address, trust)) {
      return {address, Source::entry, number};
    }
  }
}

std::optional<IpAddress> get_client_ip(const std::optional<IpAddress>& peer,
                                       const HeaderLines* headers, const ProxyTrust& trust) {
  return find_client_address(peer, headers, trust).address;
}

}  // namespace tidegate
