// Which points of Ed25519 are no keys.
#pragma once

#include <array>

namespace tidegate {

/// True for the few points whose multiples by eight are the neutral one, however they are written.
/// Anybody can sign for them.
[[nodiscard]] bool has_small_order(const std::array<unsigned char, 32>& point);

}  // namespace tidegate
