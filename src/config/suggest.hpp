// Finds the word somebody meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tidegate::config {

/// The fewest insertions, deletions, replacements and swaps of neighbouring characters that turn
/// one into the other, no character being edited twice. Only the first 64 bytes are looked at,
/// which bounds the time.
[[nodiscard]] std::size_t edit_distance(std::string_view from, std::string_view to);

/// The word with the smallest distance to `text`; the first of several. "" if there are no words.
[[nodiscard]] std::string_view nearest(std::string_view text, std::span<const std::string> words);

}  // namespace tidegate::config
