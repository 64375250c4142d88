#include "observe/counters.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace tidegate {
namespace {

constexpr std::string_view kOther = "other";

// States of a row or warning.
constexpr std::uint32_t kFree = 0;
constexpr std::uint32_t kClaimed = 1;
constexpr std::uint32_t kPublished = 2;

static_assert(sizeof(Counters::SharedRow) == 256);
/// Behind the warnings, which the header's first half has room for.
constexpr std::size_t kAdminDeniedAt = 2048;
constexpr std::size_t kLostLinesAt = kAdminDeniedAt + 8;
static_assert(sizeof(Counters::SharedWarning) * Counters::kMaxReasons <= kAdminDeniedAt);
constexpr std::size_t kTokensAt = kAdminDeniedAt + 64;
/// More than there are verdicts: those that come later find their place empty.
constexpr std::size_t kTokenPlaces = 64;
static_assert(kTokenVerdicts <= kTokenPlaces && kTokensAt + 8 * kTokenPlaces <= Counters::kFreeAt);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Enough to tell the few labels of a configuration apart; it need not agree between processes.
std::size_t start_of(std::string_view endpoint, std::string_view tier) {
  const std::hash<std::string_view> hash;
  return hash(endpoint) * 31 + hash(tier);
}

/// The item that `is_it` knows, or a free one that `write` has filled; null if there is neither.
/// A claimed one is passed: its owner may be dead.
template <class Item, class IsIt, class Write>
Item* find_or_publish(Item& item, IsIt is_it, Write write) {
  std::uint32_t state = item.state.load(std::memory_order_acquire);
  if (state == kFree && item.state.compare_exchange_strong(state, kClaimed)) {
    write(item);
    item.state.store(kPublished, std::memory_order_release);
    return &item;
  }
  return state == kPublished && is_it(item) ? &item : nullptr;
}

void add(std::atomic<std::uint64_t>& count) { count.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

void Counters::SharedLabel::write(std::string_view from) {
  const std::size_t length = std::min(from.size(), text.size());
  std::copy_n(from.begin(), length, text.begin());
  size.store(static_cast<std::uint8_t>(length), std::memory_order_relaxed);
}

std::string_view Counters::SharedLabel::read() const {
  const std::size_t length = size.load(std::memory_order_relaxed);
  return {text.data(), std::min(length, text.size())};
}

Counters::Counters(std::span<std::byte> memory)
    : warnings_(reinterpret_cast<SharedWarning*>(memory.data()), kMaxReasons),
      admin_denied_(reinterpret_cast<std::atomic<std::uint64_t>*>(memory.data() + kAdminDeniedAt)),
      lost_lines_(reinterpret_cast<std::atomic<std::uint64_t>*>(memory.data() + kLostLinesAt)),
      tokens_(reinterpret_cast<std::atomic<std::uint64_t>*>(memory.data() + kTokensAt),
              kTokenVerdicts),
      rows_(reinterpret_cast<SharedRow*>(memory.data() + kHeaderBytes),
            (memory.size() - kHeaderBytes) / sizeof(SharedRow)) {}

Counters::SharedRow& Counters::row_of(std::string_view endpoint, std::string_view tier) {
  SharedRow* const last = last_.load(std::memory_order_acquire);
  if (last != nullptr && last->endpoint.read() == endpoint && last->tier.read() == tier) {
    return *last;
  }
  SharedRow& row = find_row(endpoint, tier);
  // That of "other" has no labels of its own to be known by.
  if (&row != &rows_.front()) last_.store(&row, std::memory_order_release);
  return row;
}

Counters::SharedRow& Counters::find_row(std::string_view endpoint, std::string_view tier) {
  if (endpoint.size() > kMaxLabelBytes || tier.size() > kMaxLabelBytes) return rows_.front();
  const std::size_t places = rows_.size() - 1;
  std::size_t at = start_of(endpoint, tier) % std::max<std::size_t>(places, 1);
  for (std::size_t i = 0; i < places; ++i) {
    SharedRow* const row = find_or_publish(
        rows_[1 + at],
        [&](const SharedRow& it) {
          return it.endpoint.read() == endpoint && it.tier.read() == tier;
        },
        [&](SharedRow& it) {
          it.endpoint.write(endpoint);
          it.tier.write(tier);
        });
    if (row != nullptr) return *row;
    if (++at == places) at = 0;
  }
  return rows_.front();
}

void Counters::count(const Decision& decision) {
  if (decision.token != TokenVerdict::none) add(tokens_[static_cast<std::size_t>(decision.token)]);
  const WindowState* const window = decision.spoken_of();
  SharedRow& row =
      row_of(window == nullptr ? decision.endpoint : window->rule, decision.client.tier);
  add(row.requests[static_cast<std::size_t>(decision.outcome)]);
  if (decision.outcome == Outcome::denied) {
    add(row.exceeded[static_cast<std::size_t>(decision.client.client_type)]);
  }
}

void Counters::count_warning(std::string_view reason) {
  for (SharedWarning& warning : warnings_) {
    SharedWarning* const found = find_or_publish(
        warning, [&](const SharedWarning& it) { return it.reason.read() == reason; },
        [&](SharedWarning& it) { it.reason.write(reason); });
    if (found != nullptr) return add(found->count);
  }
}

void Counters::count_admin_denied() { add(*admin_denied_); }

std::uint64_t Counters::admin_denied() const { return admin_denied_->load(); }

void Counters::count_lost_line() { add(*lost_lines_); }

std::uint64_t Counters::lost_lines() const { return lost_lines_->load(); }

std::vector<Status::Totals> Counters::rows() const {
  std::map<std::pair<std::string, std::string>, Status::Totals> sums;
  for (const SharedRow& shared : rows_) {
    const bool other = &shared == &rows_.front();
    if (!other && shared.state.load(std::memory_order_acquire) != kPublished) continue;
    std::pair<std::string, std::string> labels{other ? kOther : shared.endpoint.read(),
                                               other ? kOther : shared.tier.read()};
    Status::Totals& sum = sums[labels];
    for (std::size_t i = 0; i < kOutcomes; ++i) sum.requests[i] += shared.requests[i].load();
    for (std::size_t i = 0; i < kClientTypes; ++i) sum.exceeded[i] += shared.exceeded[i].load();
    sum.endpoint = std::move(labels.first);
    sum.tier = std::move(labels.second);
  }
  std::vector<Status::Totals> rows;
  for (auto& [labels, row] : sums) {
    const bool counted = std::ranges::any_of(row.requests, [](auto count) { return count != 0; });
    if (counted) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Status::Count> Counters::tokens() const {
  std::vector<Status::Count> tokens;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::uint64_t count = tokens_[i].load();
    if (count == 0) continue;
    tokens.push_back({std::string(to_string(static_cast<TokenVerdict>(i))), count});
  }
  return tokens;
}

std::vector<Status::Count> Counters::warnings() const {
  std::map<std::string, std::uint64_t> sums;
  for (const SharedWarning& shared : warnings_) {
    if (shared.state.load(std::memory_order_acquire) != kPublished) continue;
    sums[std::string(shared.reason.read())] += shared.count.load();
  }
  std::vector<Status::Count> warnings;
  for (auto& [reason, count] : sums) warnings.push_back({reason, count});
  return warnings;
}

}  // namespace tidegate
