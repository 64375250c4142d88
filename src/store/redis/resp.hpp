// Redis's protocol, RESP2, by hiredis's formatter and reader.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/redis/reply.hpp"

namespace tidegate::redis {

/// Appends a command as an array of bulk strings.
void append_command(std::span<const std::string_view> words, std::string& out);

/// Turns bytes into replies. Everything is bounded before it is believed: what a server claims that
/// it will send is refused as soon as it says so.
class ReplyReader {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;     ///< of one reply, or waiting
  static constexpr std::size_t kMaxElements = std::size_t{1} << 16;  ///< of one reply, in all
  static constexpr int kMaxDepth = 7;                                ///< of arrays

  ReplyReader();
  ReplyReader(ReplyReader&&) noexcept;
  ReplyReader& operator=(ReplyReader&&) noexcept;
  ~ReplyReader();

  /// Takes what has arrived.
  void feed(std::string_view bytes);
  /// The next whole reply; nothing: more has to arrive. An error says what was no RESP; then no
  /// more can be read.
  [[nodiscard]] std::expected<std::optional<Reply>, std::string> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::redis
