#include "store/redis/message_pack.hpp"

#include <utility>

namespace tidegate::redis {
namespace {

// The types of elements, by their first byte. Small ones hold their value or size in its low bits.
constexpr std::uint8_t kFirstNoNumber = 0x80;
constexpr std::uint8_t kSmallArray = 0x90;
constexpr std::uint8_t kSmallText = 0xa0;
constexpr std::uint8_t kFirstNoSmallText = 0xc0;
constexpr std::uint8_t kNumber8 = 0xcc;  // each of the next has twice as many bytes
constexpr std::uint8_t kNumber16 = 0xcd;
constexpr std::uint8_t kNumber32 = 0xce;
constexpr std::uint8_t kNumber64 = 0xcf;
constexpr std::uint8_t kText8 = 0xd9;  // so too
constexpr std::uint8_t kText32 = 0xdb;
constexpr std::uint8_t kArray16 = 0xdc;
constexpr std::uint8_t kArray32 = 0xdd;

constexpr std::size_t kBitsOfByte = 8;

void append(std::string& out, std::uint8_t type, std::uint64_t number, std::size_t bytes) {
  out += static_cast<char>(type);
  while (bytes-- > 0) out += static_cast<char>(number >> kBitsOfByte * bytes);
}

}  // namespace

void Packer::add(std::uint64_t number) {
  ++size_;
  if (number < kFirstNoNumber) {
    elements_ += static_cast<char>(number);
  } else if (number <= 0xffff) {
    append(elements_, kNumber16, number, 2);
  } else if (number <= 0xffff'ffff) {
    append(elements_, kNumber32, number, 4);
  } else {
    append(elements_, kNumber64, number, 8);
  }
}

std::string Packer::take_list() {
  std::string list;
  append(list, kArray32, size_, 4);
  return list += take_elements();
}

std::string Packer::take_elements() {
  size_ = 0;
  return std::exchange(elements_, {});
}

Unpacker::Unpacker(std::string_view bytes) : bytes_(bytes), elements_(bytes.size() + 1) {
  if (bytes_.empty()) return;
  std::optional<std::uint64_t> elements;
  if (type() >= kSmallArray && type() < kSmallText) {
    elements = type() - kSmallArray;
    bytes_.remove_prefix(1);
  } else if (type() == kArray16) {
    elements = behind_type(2);
  } else if (type() == kArray32) {
    elements = behind_type(4);
  }
  if (elements) elements_ = *elements;
}

std::optional<std::uint64_t> Unpacker::behind_type(std::size_t bytes) {
  if (bytes_.size() <= bytes) return std::nullopt;
  std::uint64_t number = 0;
  for (const char byte : bytes_.substr(1, bytes)) {
    number = number << kBitsOfByte | static_cast<std::uint8_t>(byte);
  }
  bytes_.remove_prefix(1 + bytes);
  return number;
}

std::optional<std::uint64_t> Unpacker::number() {
  if (elements_ == 0 || bytes_.empty()) return std::nullopt;
  std::optional<std::uint64_t> number;
  if (type() < kFirstNoNumber) {
    number = type();
    bytes_.remove_prefix(1);
  } else if (type() >= kNumber8 && type() <= kNumber64) {
    number = behind_type(std::size_t{1} << (type() - kNumber8));
  }
  if (number) --elements_;
  return number;
}

std::optional<std::string_view> Unpacker::text() {
  if (elements_ == 0 || bytes_.empty()) return std::nullopt;
  std::optional<std::uint64_t> size;
  if (type() >= kSmallText && type() < kFirstNoSmallText) {
    size = type() - kSmallText;
    bytes_.remove_prefix(1);
  } else if (type() >= kText8 && type() <= kText32) {
    size = behind_type(std::size_t{1} << (type() - kText8));
  }
  if (!size || *size > bytes_.size()) return std::nullopt;
  const std::string_view text = bytes_.substr(0, *size);
  bytes_.remove_prefix(*size);
  --elements_;
  return text;
}

}  // namespace tidegate::redis
