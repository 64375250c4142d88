#include "adapters/posix/segment_config.hpp"

#include <algorithm>
#include <cstring>

#include "core/hash.hpp"

namespace tidegate::posix {
namespace {

/// Tells a text that was written whole.
std::uint64_t checksum_of(std::string_view text) {
  return siphash128({0x7465'7874, 0x636f'6e66}, text).low | 1;
}

}  // namespace

template <std::size_t Bytes>
void SharedText<Bytes>::write(std::string_view text) {
  text = text.substr(0, Bytes);
  const std::uint64_t now = version.load();
  const std::uint64_t writing = now | 1;  // whoever died on the way left it odd
  version.store(writing);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t word = 0;
    if (8 * i < text.size()) {
      std::memcpy(&word, text.data() + 8 * i, std::min<std::size_t>(8, text.size() - 8 * i));
    }
    words[i].store(word, std::memory_order_release);  // not before the version is odd
  }
  size.store(text.size(), std::memory_order_release);
  version.store(writing + 1, std::memory_order_release);
}

template <std::size_t Bytes>
std::string SharedText<Bytes>::read() const {
  constexpr int kAttempts = 100;
  for (int i = 0; i < kAttempts; ++i) {
    const std::uint64_t before = version.load(std::memory_order_acquire);
    if (before % 2 != 0) continue;
    std::string text(Bytes, '\0');
    for (std::size_t word = 0; word < words.size(); ++word) {
      const std::uint64_t value = words[word].load(std::memory_order_acquire);
      std::memcpy(text.data() + 8 * word, &value, 8);
    }
    text.resize(std::min<std::uint64_t>(size.load(std::memory_order_acquire), Bytes));
    if (version.load(std::memory_order_relaxed) == before) return text;
  }
  return "";
}

std::optional<ConfigText> SegmentConfig::read() const {
  const std::uint64_t bytes = shared_->text_bytes.load();
  if (generation() == 0 || bytes > text_.size()) return std::nullopt;
  ConfigText found{.generation = generation(),
                   .text{reinterpret_cast<const char*>(text_.data()), bytes},
                   .source = shared_->source.read()};
  if (checksum_of(found.text) != shared_->text_checksum.load()) return std::nullopt;
  return found;
}

std::uint64_t SegmentConfig::write(std::string_view text, std::string_view source) {
  shared_->text_checksum.store(0);
  shared_->text_bytes.store(text.size());
  std::ranges::copy(std::as_bytes(std::span(text)), text_.begin());
  shared_->source.write(source);
  shared_->text_checksum.store(checksum_of(text));
  return shared_->generation.fetch_add(1, std::memory_order_acq_rel) + 1;
}

void SegmentConfig::note_done() {
  shared_->reloads_done.fetch_add(1);
  shared_->error.write("");
}

void SegmentConfig::note_refused(std::string_view error, Micros wall_us) {
  shared_->reloads_refused.fetch_add(1);
  shared_->refused_us.store(wall_us);
  shared_->error.write(error);
}

Status::Reloads SegmentConfig::state() const {
  Status::Reloads state{.generation = generation(),
                        .succeeded = shared_->reloads_done.load(),
                        .failed = shared_->reloads_refused.load(),
                        .last_error = shared_->error.read()};
  if (!state.last_error.empty()) state.last_error_us = shared_->refused_us.load();
  return state;
}

std::uint64_t SegmentConfig::count_request(Micros now_us, std::uint64_t most) {
  constexpr std::uint64_t kMinute_us = 60'000'000;
  const std::uint64_t minute = now_us / kMinute_us;
  std::uint64_t seen = shared_->asked.load();
  for (;;) {
    const std::uint64_t count = seen / 256 == minute ? seen % 256 : 0;
    if (count >= most) return (kMinute_us - now_us % kMinute_us + 999'999) / 1'000'000;
    if (shared_->asked.compare_exchange_weak(seen, minute * 256 + count + 1)) return 0;
  }
}

}  // namespace tidegate::posix
