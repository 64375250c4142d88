#include "observe/top_clients.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace tidegate {
namespace {

/// Set in a key while its text is being written.
constexpr std::uint64_t kWriting = std::uint64_t{1} << 63;
/// After this long whoever was writing is taken for dead.
constexpr Micros kWritingLife_us = 2'000'000;

/// Mixes text into a number, eight bytes at a time. It runs for every decision and guards nothing:
/// whoever aims at another's place competes for it as anybody does.
std::uint64_t mix(std::uint64_t seed, std::string_view text) {
  const auto add = [&seed](std::uint64_t word) {
    seed = (seed ^ word) * 0x9e37'79b9'7f4a'7c15;
    seed ^= seed >> 32;
  };
  const auto word_at = [text](std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    return word;
  };
  add(text.size());
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) add(word_at(at));
  if (at == text.size()) return seed;
  if (text.size() > 8) {
    add(word_at(text.size() - 8));
    return seed;
  }
  std::uint64_t rest = 0;
  for (; at < text.size(); ++at) rest = rest << 8 | static_cast<unsigned char>(text[at]);
  add(rest);
  return seed;
}

/// Never 0, and without kWriting.
std::uint64_t key_of(std::string_view client, std::string_view endpoint, std::string_view tier) {
  return (mix(mix(mix(0, tier), endpoint), client) & ~kWriting) | 1;
}

constexpr std::size_t kTextBytes = TopClients::kMaxNameBytes + 2 * TopClients::kMaxLabelBytes;
static_assert(kTextBytes % 8 == 0);

}  // namespace

TopClients::TopClients(std::span<std::byte> memory)
    : names_(reinterpret_cast<SharedName*>(memory.data()),
             memory.size() / sizeof(SharedName) / kSet * kSet) {}

void TopClients::note(const Decision& decision) { find_or_take(decision); }

void TopClients::note_used(const Decision& decision) {
  SharedName* const name = find_or_take(decision);
  if (name == nullptr) return;
  const WindowState& window = decision.windows[decision.tightest];
  const std::uint64_t used = window.limit - std::min(window.limit, window.remaining);
  name->used.store(used << 32 | window.limit, std::memory_order_relaxed);
  name->until.store(decision.time_us + window.reset_us, std::memory_order_relaxed);
}

TopClients::SharedName* TopClients::find_or_take(const Decision& decision) {
  const std::uint64_t key = key_of(decision.counted_for(), decision.endpoint, decision.client.tier);
  const auto set = names_.subspan((key >> 8) % (names_.size() / kSet) * kSet, kSet);
  SharedName* least = nullptr;
  std::uint64_t least_weight = 0;
  std::uint64_t least_key = 0;
  for (SharedName& name : set) {
    const std::uint64_t seen = name.key.load(std::memory_order_acquire);
    if (seen == key) {
      name.weight.fetch_add(1, std::memory_order_relaxed);
      return &name;
    }
    std::uint64_t weight = seen == 0 ? 0 : name.weight.load(std::memory_order_relaxed);
    if ((seen & kWriting) != 0) {
      // Saturating: a claim from another boot, or junk, is old too.
      const Micros age_us = decision.time_us - name.claimed_us.load(std::memory_order_relaxed);
      if (age_us < kWritingLife_us) continue;
      weight = 0;
    }
    if (least == nullptr || weight < least_weight) {
      least = &name;
      least_weight = weight;
      least_key = seen;
    }
  }
  if (least == nullptr) return nullptr;
  if (least_weight == 0) return take_place(*least, least_key, key, decision) ? least : nullptr;
  least->weight.compare_exchange_strong(least_weight, least_weight - 1);
  return nullptr;
}

bool TopClients::take_place(SharedName& name, std::uint64_t seen, std::uint64_t key,
                            const Decision& decision) {
  const std::string_view client = decision.counted_for();
  const std::string_view endpoint = decision.endpoint;
  const std::string_view tier = decision.client.tier;
  if (client.size() > kMaxNameBytes || endpoint.size() > kMaxLabelBytes ||
      tier.size() > kMaxLabelBytes) {
    return false;
  }
  name.claimed_us.store(decision.time_us, std::memory_order_relaxed);
  if (!name.key.compare_exchange_strong(seen, key | kWriting)) return false;

  std::array<char, kTextBytes> text{};
  char* at = std::copy(client.begin(), client.end(), text.begin());
  at = std::copy(endpoint.begin(), endpoint.end(), at);
  std::copy(tier.begin(), tier.end(), at);
  for (std::size_t i = 0; i < name.text.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + 8 * i, 8);
    name.text[i].store(word, std::memory_order_relaxed);
  }
  name.lengths.store(
      static_cast<std::uint32_t>(client.size() | endpoint.size() << 12 | tier.size() << 22),
      std::memory_order_relaxed);
  name.weight.store(1, std::memory_order_relaxed);
  name.used.store(0, std::memory_order_relaxed);
  name.until.store(0, std::memory_order_relaxed);
  std::uint64_t mine = key | kWriting;
  return name.key.compare_exchange_strong(mine, key, std::memory_order_release);
}

std::optional<TopClients::Named> TopClients::read(std::size_t place) const {
  const SharedName& name = names_[place];
  const std::uint64_t key = name.key.load(std::memory_order_acquire);
  if (key == 0 || (key & kWriting) != 0) return std::nullopt;
  std::array<char, kTextBytes> text{};
  for (std::size_t i = 0; i < name.text.size(); ++i) {
    const std::uint64_t word = name.text[i].load(std::memory_order_relaxed);
    std::memcpy(text.data() + 8 * i, &word, 8);
  }
  const std::uint32_t lengths = name.lengths.load(std::memory_order_relaxed);
  const std::uint64_t used = name.used.load(std::memory_order_relaxed);
  const Micros until = name.until.load(std::memory_order_relaxed);
  const std::uint64_t weight = name.weight.load(std::memory_order_acquire);
  // Another name may have been written meanwhile.
  if (name.key.load(std::memory_order_acquire) != key) return std::nullopt;
  const std::size_t client = lengths & 0xfff;
  const std::size_t endpoint = lengths >> 12 & 0x3ff;
  const std::size_t tier = lengths >> 22;
  if (client + endpoint + tier > kTextBytes) return std::nullopt;
  const std::string_view all(text.data(), text.size());
  // Whoever was taken for dead may only have been stopped, and have written over his successor.
  if (key_of(all.substr(0, client), all.substr(client, endpoint),
             all.substr(client + endpoint, tier)) != key) {
    return std::nullopt;
  }
  return Named{.client = std::string(all.substr(0, client)),
               .endpoint = std::string(all.substr(client, endpoint)),
               .tier = std::string(all.substr(client + endpoint, tier)),
               .weight = weight,
               .place = place,
               .used = used >> 32,
               .limit = used & 0xffff'ffff,
               .until = until};
}

std::vector<TopClients::Named> TopClients::named(std::size_t at_most) const {
  // Texts are long: only those that are wanted are read.
  struct Weighed {
    std::uint64_t weight;
    std::size_t place;
  };
  std::vector<Weighed> weighed;
  for (std::size_t place = 0; place < names_.size(); ++place) {
    if (names_[place].key.load(std::memory_order_relaxed) == 0) continue;
    weighed.push_back({names_[place].weight.load(std::memory_order_relaxed), place});
  }
  std::ranges::sort(weighed, [](const Weighed& a, const Weighed& b) {
    return std::tie(b.weight, a.place) < std::tie(a.weight, b.place);
  });
  std::vector<Named> found;
  for (const Weighed& each : weighed) {
    if (found.size() >= at_most) break;
    if (auto name = read(each.place)) found.push_back(std::move(*name));
  }
  return found;
}

void TopClients::forget(const Named& named) {
  SharedName& name = names_[named.place];
  // Not the key but the weight: the next newcomer of the set takes the place, unless he returns.
  std::uint64_t weight = named.weight;
  name.weight.compare_exchange_strong(weight, 0);
}

}  // namespace tidegate
