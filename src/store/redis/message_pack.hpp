// Flat lists in MessagePack, which Redis's Lua packs and unpacks in C: what the scripts are told,
// and what they answer. https://github.com/msgpack/msgpack/blob/master/spec.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::redis {

/// Writes numbers.
class Packer {
 public:
  void add(std::uint64_t number);
  /// What was added, as a list, or one number after the other.
  [[nodiscard]] std::string take_list();
  [[nodiscard]] std::string take_elements();

 private:
  std::string elements_;
  std::uint32_t size_ = 0;
};

/// Reads a list of numbers and texts, one after the other. In what is no such list a reader comes
/// to an element that is neither, and never to the end.
class Unpacker {
 public:
  /// Keeps a view.
  explicit Unpacker(std::string_view bytes);

  /// The next element, if it is a number that is not negative.
  [[nodiscard]] std::optional<std::uint64_t> number();
  /// The next element, if it is a text; else it may still be a number.
  [[nodiscard]] std::optional<std::string_view> text();
  /// Whether all elements were read, and there is nothing behind them.
  [[nodiscard]] bool ended() const { return elements_ == 0 && bytes_.empty(); }

 private:
  [[nodiscard]] std::uint8_t type() const { return static_cast<std::uint8_t>(bytes_.front()); }
  /// The number of so many bytes behind the type; moves past it.
  std::optional<std::uint64_t> behind_type(std::size_t bytes);

  std::string_view bytes_;
  std::uint64_t elements_;  ///< yet to read; more than there can be where no list begins
};

}  // namespace tidegate::redis
