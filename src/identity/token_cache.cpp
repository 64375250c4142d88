#include "identity/token_cache.hpp"

#include <algorithm>
#include <utility>

namespace tidegate {
namespace {

constexpr std::uint32_t kWriter = 1U << 31;

}  // namespace

/// Holds writers off a set, unless there is one.
class TokenCache::Reading {
 public:
  explicit Reading(Set& set)
      : set_(set), held_(set.users.fetch_add(1, std::memory_order_acquire) < kWriter) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { set_.users.fetch_sub(1, std::memory_order_release); }
  explicit operator bool() const { return held_; }

 private:
  Set& set_;
  bool held_;
};

/// Holds everybody off a set, unless somebody uses it.
class TokenCache::Writing {
 public:
  explicit Writing(Set& set) : set_(set) {
    std::uint32_t nobody = 0;
    held_ = set.users.compare_exchange_strong(nobody, kWriter, std::memory_order_acquire);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() {
    // Readers who looked in vain are counted in there too.
    if (held_) set_.users.fetch_sub(kWriter, std::memory_order_release);
  }
  explicit operator bool() const { return held_; }

 private:
  Set& set_;
  bool held_;
};

TokenCache::TokenCache(const HashKey& key, std::size_t max_bytes)
    : key_(key), max_bytes_(max_bytes), sets_(kSets) {}
TokenCache::~TokenCache() = default;

std::optional<TokenVerdict> TokenCache::find(std::string_view token, Micros wall_us,
                                             ClientIdentity& out) {
  const std::uint64_t hash = hash_of(token);
  Set& set = set_of(hash);
  const Reading reading(set);
  if (!reading) return std::nullopt;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.tags[i] != tag_of(hash) || !set.entries[i]) continue;
    Entry& entry = *set.entries[i];
    if (entry.token != token) continue;
    const std::uint64_t now = clock_.load(std::memory_order_relaxed);
    if (entry.used.load(std::memory_order_relaxed) != now) {
      entry.used.store(now, std::memory_order_relaxed);
    }
    const TokenVerdict verdict = entry.claims.verdict_at(wall_us);
    if (verdict == TokenVerdict::valid) {
      out.client_id = entry.claims.client;
      out.tier = entry.claims.tier;
    }
    return verdict;
  }
  return std::nullopt;
}

void TokenCache::insert(std::string_view token, TokenClaims claims, Micros wall_us) {
  auto entry = std::make_unique<Entry>();
  entry->token = token;
  entry->claims = std::move(claims);
  entry->used = ++clock_;
  const std::size_t size = entry->bytes();
  if (!make_room(size)) return;

  const std::uint64_t hash = hash_of(token);
  Set& set = set_of(hash);
  std::unique_ptr<Entry> old;  // freed when the set is free again
  const Writing writing(set);
  if (!writing) return;
  const auto worth = [&](const std::unique_ptr<Entry>& it) -> std::uint64_t {
    if (!it || it->token == token) return 0;
    return wall_us >= it->claims.until_us ? 1 : 1 + it->used.load(std::memory_order_relaxed);
  };
  auto* const place = std::ranges::min_element(set.entries, {}, worth);
  bytes_ += size;
  if (*place) bytes_ -= (*place)->bytes();
  old = std::exchange(*place, std::move(entry));
  set.tags[static_cast<std::size_t>(place - set.entries.begin())] = tag_of(hash);
}

bool TokenCache::make_room(std::size_t bytes) {
  constexpr std::size_t kMostSets = 64;  // a bound for one request
  for (std::size_t i = 0; i < kMostSets; ++i) {
    if (bytes_ + bytes <= max_bytes_) return true;
    Set& set = sets_[hand_++ % kSets];
    std::array<std::unique_ptr<Entry>, kWays> old;
    const Writing writing(set);
    if (!writing) continue;
    for (const auto& entry : set.entries) {
      if (entry) bytes_ -= entry->bytes();
    }
    std::swap(set.entries, old);
  }
  return bytes_ + bytes <= max_bytes_;
}

}  // namespace tidegate
