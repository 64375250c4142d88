// Tokens that were verified, by a hash nobody can aim at: seen again, one costs no cryptography.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/hash.hpp"
#include "core/time.hpp"

namespace tidegate {

/// Of fixed size. 128 bits of a hash whose key only this process knows stand for a token: whoever
/// would have another one taken for it has to guess. Any thread; those who ask for different tokens
/// seldom wait for each other.
class TokenCache {
 public:
  explicit TokenCache(const HashKey& key) : key_(key), sets_(kSets) {}

  [[nodiscard]] Hash128 name_of(std::string_view token) const { return siphash128(key_, token); }

  /// True, with client and tier, if the token is known and good until after `wall_us`.
  bool find(const Hash128& name, Micros wall_us, std::string& client, std::string& tier) {
    Set& set = set_of(name);
    const std::lock_guard lock(set.mutex);
    for (Known& known : set.known) {
      if (known.name != name || known.until_us <= wall_us) continue;
      known.used = ++set.clock;
      client = known.client;
      tier = known.tier;
      return true;
    }
    return false;
  }

  void keep(const Hash128& name, Micros until_us, Micros wall_us, std::string_view client,
            std::string_view tier) {
    Set& set = set_of(name);
    const std::lock_guard lock(set.mutex);
    Known* place = &set.known.front();
    for (Known& known : set.known) {
      if (known.name == name) {
        place = &known;
        break;
      }
      // One that is over, else the one that nobody has asked for longest.
      const auto rank = [&](const Known& it) { return it.until_us <= wall_us ? 0 : it.used; };
      if (rank(known) < rank(*place)) place = &known;
    }
    place->name = name;
    place->until_us = until_us;
    place->used = ++set.clock;
    place->client = client;
    place->tier = tier;
  }

 private:
  static constexpr std::size_t kSets = 1'024;
  struct Known {
    Hash128 name;
    Micros until_us = 0;
    std::uint64_t used = 0;
    std::string client;
    std::string tier;
  };
  struct Set {
    std::mutex mutex;
    std::uint64_t clock = 0;
    std::array<Known, 8> known;
  };
  Set& set_of(const Hash128& name) { return sets_[name.high % kSets]; }

  HashKey key_;
  std::vector<Set> sets_;
};

}  // namespace tidegate
