// Reading and writing addresses. Nothing here allocates but the string that is written to.
#include <algorithm>
#include <charconv>

#include "tidegate/client.hpp"

namespace tidegate {
namespace {

constexpr std::size_t kGroups = 8;  // of 16 bits in an IPv6 address

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes[i]);
    const auto digits = static_cast<std::size_t>(end - text.data());
    // A leading zero is octal to some programs and decimal to others: it is no address.
    if (error != std::errc{} || (digits > 1 && text.front() == '0')) return std::nullopt;
    text.remove_prefix(digits);
  }
  if (!text.empty()) return std::nullopt;
  return bytes;
}

/// Removes "%eth0". False if what follows the percent sign cannot be a zone.
bool drop_zone(std::string_view& text) {
  const std::size_t percent = text.find('%');
  if (percent == std::string_view::npos) return true;
  const std::string_view zone = text.substr(percent + 1);
  text = text.substr(0, percent);
  for (const char c : zone) {
    if (c <= ' ' || c > '~' || c == '%' || c == '/' || c == '[' || c == ']') return false;
  }
  return !zone.empty();
}

/// The bytes of an IPv6 address while it is read from left to right.
struct V6Reader {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  std::optional<std::size_t> gap;  // where "::" stood

  bool group(std::string_view text) {
    std::uint16_t value = 0;
    if (text.size() > 4 || size + 2 > bytes.size()) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return false;
    bytes[size++] = static_cast<std::uint8_t>(value >> 8);
    bytes[size++] = static_cast<std::uint8_t>(value & 0xff);
    return true;
  }

  bool dotted(std::string_view text) {
    const auto v4 = parse_v4(text);
    if (!v4 || size + v4->size() > bytes.size()) return false;
    for (const std::uint8_t byte : *v4) bytes[size++] = byte;
    return true;
  }

  bool read(std::string_view text) {
    if (text.starts_with("::")) {
      gap = 0;
      text.remove_prefix(2);
    }
    while (!text.empty()) {
      const std::size_t colon = text.find(':');
      const std::string_view part = text.substr(0, colon);
      if (colon == std::string_view::npos) {
        return part.find('.') == std::string_view::npos ? group(part) : dotted(part);
      }
      if (!group(part)) return false;
      text.remove_prefix(colon + 1);
      if (text.empty()) return false;  // a single colon at the end
      if (text.front() == ':') {
        if (gap) return false;
        gap = size;
        text.remove_prefix(1);
      }
    }
    return gap.has_value();  // without "::" the loop ends at the last group
  }

  /// Fills the gap with zeros. False if there are too few groups, or a gap that stands for none.
  bool finish() {
    if (!gap) return size == bytes.size();
    if (size == bytes.size()) return false;
    const std::size_t tail = size - *gap;
    for (std::size_t i = 1; i <= tail; ++i) {
      bytes[bytes.size() - i] = bytes[size - i];
      bytes[size - i] = 0;
    }
    return true;
  }
};

void append_number(std::string& out, unsigned value, int base) {
  std::array<char, 8> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), end);
}

struct Run {
  std::size_t first = 0;
  std::size_t size = 0;
};

/// The zero groups that "::" stands for: the longest run of at least two, the first of equals.
Run longest_zero_run(const std::array<unsigned, kGroups>& groups) {
  Run longest;
  Run run;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (groups[i] != 0) {
      run.size = 0;
      continue;
    }
    if (run.size++ == 0) run.first = i;
    if (run.size > longest.size) longest = run;
  }
  return longest.size < 2 ? Run{} : longest;
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) {
  IpAddress address;
  for (std::size_t i = 0; i < bytes.size(); ++i) address.bytes_[i] = bytes[i];
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress address;
  address.bytes_ = bytes;
  address.v4_ = false;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto bytes = parse_v4(text);
    if (!bytes) return std::nullopt;
    return v4(*bytes);
  }
  V6Reader reader;
  if (!drop_zone(text) || !reader.read(text) || !reader.finish()) return std::nullopt;
  return v6(reader.bytes);
}

void IpAddress::append_to(std::string& out) const {
  if (v4_) {
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != 0) out += '.';
      append_number(out, bytes_[i], 10);
    }
    return;
  }
  std::array<unsigned, kGroups> groups;
  for (std::size_t i = 0; i < kGroups; ++i) groups[i] = bytes_[2 * i] * 256U + bytes_[2 * i + 1];
  const Run zeros = longest_zero_run(groups);
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (zeros.size != 0 && i == zeros.first) {
      out += "::";
      i += zeros.size - 1;
      continue;
    }
    if (i != 0 && i != zeros.first + zeros.size) out += ':';
    append_number(out, groups[i], 16);
  }
}

}  // namespace tidegate
