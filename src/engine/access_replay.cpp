#include "engine/access_replay.hpp"

#include <algorithm>
#include <utility>

#include "core/ascii.hpp"

namespace tidegate {
namespace {

constexpr std::uint64_t kSecond_us = 1'000'000;
/// What is held back of one second at most; what comes behind it is taken as of its end.
constexpr std::size_t kMaxHeldBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxHeldLines = std::size_t{1} << 18;
/// What a text keeps of its memory from line to line.
constexpr std::size_t kKeptBytes = 512;

/// The one header field that logs tell of.
class UserAgent final : public HeaderLines {
 public:
  explicit UserAgent(std::string_view value) : value_(value == "-" ? "" : value) {}
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    if (!value_.empty() && equal_ignoring_case(name, "User-Agent")) use(value_);
  }

 private:
  std::string_view value_;
};

void keep_little(std::string& text) {
  if (text.capacity() > kKeptBytes) std::string().swap(text);
}

}  // namespace

std::expected<AccessReplay, Error> AccessReplay::create(const RateLimitConfig& config,
                                                        const RateLimitConfig* other,
                                                        std::size_t max_clients) {
  std::vector<Side> sides;
  for (const RateLimitConfig* each : {&config, other}) {
    if (each == nullptr) continue;
    LoadedConfig loaded{.config = *each};
    loaded.config.client_identification.jwt.reset();  // no log tells of tokens
    auto replay = Replay::create(loaded);
    if (!replay) return std::unexpected(replay.error());
    Side& side = sides.emplace_back(std::move(*replay), AccessTally{});
    for (const Rule& rule : side.replay.policy().rules()) {
      side.rule_of.emplace(rule.name, side.tally.rules.size());
      side.tally.rules.push_back({.name = rule.name});
    }
  }
  return AccessReplay(std::move(sides), max_clients);
}

void AccessReplay::skip(AccessLineFault fault) {
  Skipped& skipped = skipped_[static_cast<std::size_t>(fault)];
  if (skipped.lines++ == 0) skipped.first = lines_;
}

void AccessReplay::line(std::string_view text) {
  ++lines_;
  if (const auto fault = read_access_line(text, read_)) return skip(*fault);
  if (read_.time_s + kMaxStepBack_s < second_) return skip(AccessLineFault::order);
  if (!first_s_) first_s_ = read_.time_s;
  if (read_.time_s > second_) {
    decide_held();
    second_ = read_.time_s;
    second_is_full_ = false;
  }
  if (held_lines_ == held_.size()) held_.emplace_back();
  std::swap(held_[held_lines_++], read_);
  held_bytes_ += text.size();
  if (held_bytes_ > kMaxHeldBytes || held_lines_ == kMaxHeldLines) {
    decide_held();
    second_is_full_ = true;
  }
}

void AccessReplay::finish() { decide_held(); }

void AccessReplay::decide_held() {
  for (std::size_t i = 0; i < held_lines_; ++i) {
    const std::uint64_t into_us = second_is_full_ ? kSecond_us - 1 : i * kSecond_us / held_lines_;
    decide(held_[i], second_ * kSecond_us + into_us);
    keep_little(held_[i].target);
    keep_little(held_[i].user_agent);
  }
  held_lines_ = 0;
  held_bytes_ = 0;
}

void AccessReplay::decide(const AccessLine& line, std::uint64_t t_us) {
  const UserAgent user_agent(line.user_agent);
  const Request request{
      .peer = line.peer, .method = line.method, .target = line.target, .headers = &user_agent};
  std::array<const Decision*, 2> decisions{};
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    decisions[i] = &sides_[i].replay.decide(request, t_us);
  }
  ++decided_;
  ++statuses_[line.status];
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    const Decision* const other = decisions[1 - i];
    count(sides_[i], *decisions[i],
          !decisions[i]->admitted() && other != nullptr && other->admitted());
  }
  count_client(decisions);
}

void AccessReplay::count(Side& side, const Decision& decision, bool rejected_only) {
  ++side.tally.outcomes[static_cast<std::size_t>(decision.outcome)];
  if (rejected_only) ++side.tally.rejected_only;
  if (decision.outcome == Outcome::exempt) return;
  const auto count_rule = [&](std::string_view name) {
    AccessTally::Rule& rule = side.tally.rules[side.rule_of.find(name)->second];
    ++rule.matched;
    if (!decision.admitted()) ++rule.rejected;
    if (decision.outcome == Outcome::shadow) ++rule.shadow;
    if (rejected_only) ++rule.rejected_only;
  };
  if (decision.windows.empty()) count_rule(decision.endpoint);  // unlimited
  for (std::size_t i = 0; i < decision.windows.size(); ++i) {
    // The windows of a rule stand together.
    const std::string& name = decision.windows[i].rule;
    if (i == 0 || name != decision.windows[i - 1].rule) count_rule(name);
  }
}

void AccessReplay::count_client(const std::array<const Decision*, 2>& decisions) {
  const auto counted = [](const Decision* decision) {
    return decision != nullptr && decision->outcome != Outcome::exempt;
  };
  if (!std::ranges::any_of(decisions, counted)) return;
  const std::string& name = decisions[0]->client.client_id;
  auto found = clients_.find(name);
  if (found == clients_.end() && clients_.size() < max_clients_) {
    found = clients_.emplace(name, AccessClient{}).first;
  }
  AccessClient& client = found == clients_.end() ? other_clients_ : found->second;
  ++client.requests;
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    if (decisions[i]->admitted()) continue;
    ++client.rejected[i];
    const Decision* const other = decisions[1 - i];
    if (other != nullptr && other->admitted()) ++client.rejected_only[i];
  }
}

std::uint64_t AccessReplay::overflow(std::size_t which) const {
  return sides_[which].replay.stats(second_ * kSecond_us).overflow;
}

}  // namespace tidegate
