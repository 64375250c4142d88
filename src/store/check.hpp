// What one request asks of a store, as one value: what travels to a store that answers later.
#pragma once

#include <cstddef>
#include <span>

#include "core/hash.hpp"
#include "store/charge.hpp"
#include "store/penalties.hpp"

namespace tidegate {

/// The charges of one request: those of enforced rules first, a group of their own, then those of
/// shadow rules, another. A cooldown that refuses the first group has the second take nothing.
/// Borrows everything.
struct Check {
  std::span<const Charge> charges;
  std::size_t enforced = 0;              ///< how many of them are of enforced rules
  const Penalties* penalties = nullptr;  ///< nothing: no penalties
  Hash128 client;                        ///< whose violations are counted
};

}  // namespace tidegate
