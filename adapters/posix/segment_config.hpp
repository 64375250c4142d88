// The configuration in force: a text that belongs to the segment, with a number. Whoever changes it
// has the segment's turn; everybody sees the number change and reads it at his next turn.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "tidegate/status.hpp"

namespace tidegate::posix {

/// A short text in shared memory. Written by one at a time; who reads meanwhile gets nothing.
template <std::size_t Bytes>
struct SharedText {
  std::atomic<std::uint64_t> version;  ///< odd while it is written
  std::atomic<std::uint64_t> size;
  std::array<std::atomic<std::uint64_t>, Bytes / 8> words;

  void write(std::string_view text);
  [[nodiscard]] std::string read() const;
};

/// In shared memory. All zero: no text yet.
struct SharedConfig {
  std::atomic<std::uint64_t> generation;  ///< of the text; 0: none was ever written
  std::atomic<std::uint64_t> text_bytes;
  std::atomic<std::uint64_t> text_checksum;
  std::atomic<std::uint64_t> reloads_done;
  std::atomic<std::uint64_t> reloads_refused;
  std::atomic<std::uint64_t> asked;  ///< minute x 256 + reloads asked for at the admin endpoint
  std::atomic<Micros> refused_us;    ///< when the last one was refused, wall clock
  SharedText<1024> source;           ///< the file that the text is from
  SharedText<4096> error;            ///< why the last reload was refused; "": it was not
};

struct ConfigText {
  std::uint64_t generation = 0;
  std::string text;
  std::string source;
};

/// A view on it.
class SegmentConfig {
 public:
  SegmentConfig(SharedConfig& shared, std::span<std::byte> text) : shared_(&shared), text_(text) {}

  /// One load: for each decision. Any thread.
  [[nodiscard]] std::uint64_t generation() const {
    return shared_->generation.load(std::memory_order_acquire);
  }
  /// The text in force. Nothing if there is none yet, or whoever wrote it died on the way. Only
  /// within a turn, as is what follows.
  [[nodiscard]] std::optional<ConfigText> read() const;
  /// Puts a text in force, of at most as many bytes as there is room for. Returns its generation.
  std::uint64_t write(std::string_view text, std::string_view source);

  void note_done();
  void note_refused(std::string_view error, Micros wall_us);
  /// Any thread, at any time.
  [[nodiscard]] Status::Reloads state() const;
  /// Counts a request for a reload against `most` a minute. 0: go ahead; else the seconds to wait.
  [[nodiscard]] std::uint64_t count_request(Micros now_us, std::uint64_t most);

 private:
  SharedConfig* shared_;
  std::span<std::byte> text_;
};

}  // namespace tidegate::posix
