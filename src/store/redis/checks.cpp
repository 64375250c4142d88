#include "store/redis/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "store/redis/message_pack.hpp"
#include "store/redis/script_text.hpp"

namespace tidegate::redis {
namespace {

/// An algorithm in Lua: its text, and the name of its function. The scripts know it by its number,
/// counted from 1.
struct Twin {
  Algorithm algorithm;
  std::string_view text;
  std::string_view name;
};

constexpr std::size_t kTwins = 4;

const std::array<Twin, kTwins>& twins() {
  static const std::array<Twin, kTwins> twins{{
      {Algorithm::fixed_window, kFixedWindowLua, "fixed"},
      {Algorithm::sliding_window_counter, kSlidingWindowCounterLua, "counter"},
      {Algorithm::token_bucket, kTokenBucketLua, "bucket"},
      {Algorithm::sliding_window, kSlidingWindowLua, "log"},
  }};
  return twins;
}

std::size_t number_of(Algorithm algorithm) {
  const auto* const twin = std::ranges::find(twins(), algorithm, &Twin::algorithm);
  return 1 + static_cast<std::size_t>(twin - twins().begin());
}

/// A span of ticks: whole microseconds, and the rest.
void add_pair(Packer& packer, Ticks ticks) {
  packer.add(ticks / kTicksPerMicro);
  packer.add(ticks % kTicksPerMicro);
}

/// Numbers of an algorithm in a list, as many for each.
constexpr std::size_t kParameters = 6;

/// What an algorithm wants to know of a charge.
void add_charge(Packer& packer, const Charge& charge) {
  const Window& window = charge.counter->window;
  packer.add(charge.cost);
  packer.add(window.limit);
  packer.add(window.window_us);
  std::size_t unused = kParameters;
  if (window.algorithm == Algorithm::token_bucket) {
    add_pair(packer, window.period);
    add_pair(packer, window.burst);
    add_pair(packer, charge.cost * window.period);
    unused = 0;
  } else if (window.algorithm == Algorithm::sliding_window_counter) {
    packer.add(window.slice_us);
    packer.add(window.slices);
    unused -= 2;
  }
  for (; unused > 0; --unused) packer.add(0);
}

/// Whether a charge is the first under its rule that may make a violation.
bool begins_rule(const Check& check, std::size_t i) {
  return check.penalties != nullptr && i < check.enforced &&
         (i == 0 || check.charges[i - 1].counter->rule != check.charges[i].counter->rule);
}

constexpr std::size_t kPenaltyKeys = 2;  ///< those of the cooldown and of the count

/// Appends the keys of a check: those of penalties, one for each charge, then one mark for each
/// rule.
void add_keys(const KeyNames& names, const Check& check, std::vector<std::string>& keys) {
  if (check.penalties != nullptr) {
    keys.push_back(names.cooldown(check.client));
    keys.push_back(names.violations(check.client));
  }
  for (const Charge& charge : check.charges) {
    keys.push_back(names.count(charge.client, *charge.counter));
  }
  for (std::size_t i = 0; i < check.enforced; ++i) {
    if (begins_rule(check, i)) {
      keys.push_back(names.violation(check.client, *check.charges[i].counter));
    }
  }
}

/// Whether two checks differ in nothing but their clients.
bool alike(const Check& a, const Check& b) {
  return a.enforced == b.enforced && a.penalties == b.penalties &&
         std::ranges::equal(a.charges, b.charges, [](const Charge& one, const Charge& other) {
           return one.counter == other.counter && one.cost == other.cost;
         });
}

std::size_t keys_of(const Check& check) {
  std::size_t keys = check.charges.size() + (check.penalties != nullptr ? kPenaltyKeys : 0);
  for (std::size_t i = 0; i < check.enforced; ++i) keys += begins_rule(check, i) ? 1 : 0;
  return keys;
}

/// What check.lua wants to know of a check.
void add_check(Packer& packer, const Check& check) {
  packer.add(check.charges.size());
  packer.add(check.enforced);
  packer.add(keys_of(check));
  if (check.penalties == nullptr) {
    packer.add(0);
  } else {
    packer.add(check.penalties->multipliers.size());
    packer.add(check.penalties->detection / kTicksPerMicro);
    packer.add(check.penalties->threshold);
    for (const std::uint32_t multiplier : check.penalties->multipliers) packer.add(multiplier);
  }
  std::size_t mark = kPenaltyKeys + check.charges.size();
  for (std::size_t i = 0; i < check.charges.size(); ++i) {
    const Charge& charge = check.charges[i];
    packer.add(number_of(charge.counter->window.algorithm));
    add_charge(packer, charge);
    if (begins_rule(check, i)) ++mark;
    packer.add(check.penalties != nullptr && i < check.enforced ? mark : 0);
  }
}

bool has_log(const Check& check) {
  return std::ranges::any_of(check.charges, [](const Charge& charge) {
    return charge.counter->window.algorithm == Algorithm::sliding_window;
  });
}

/// The algorithm of checks that are plain: a charge each by it, and no penalties.
std::optional<Algorithm> plain_algorithm(std::span<const Check> checks) {
  std::optional<Algorithm> found;
  for (const Check& check : checks) {
    if (check.penalties != nullptr || check.charges.size() != 1) return std::nullopt;
    const Algorithm algorithm = check.charges.front().counter->window.algorithm;
    if (found && *found != algorithm) return std::nullopt;
    found = algorithm;
  }
  return found;
}

bool all_differ(const std::vector<std::string>& keys) {
  std::vector<std::string_view> sorted(keys.begin(), keys.end());
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end();
}

Failure no_reply_of_ours(std::string_view what) {
  return {.type = ErrorType::protocol,
          .maybe_executed = true,
          .message = "the reply to a check is " + std::string(what)};
}

bool read_verdict(Unpacker& reply, Verdict& verdict) {
  const auto remaining = reply.number();
  const auto reset_us = reply.number();
  const auto more_after_us = reply.number();
  if (!remaining || !reset_us || !more_after_us) return false;
  const auto refused = *remaining % 2 == 1 ? reply.number() : 0;
  if (!refused) return false;
  verdict = {.admitted = *refused == 0,
             .quota = {.remaining = *remaining / 2,
                       .reset_us = *reset_us,
                       .retry_after_us = *refused == 0 ? 0 : *refused - 1,
                       .more_after_us = *more_after_us}};
  return true;
}

/// `tells_how`: each begins with how it went.
bool read_answer(Unpacker& reply, bool tells_how, CheckAnswer& answer) {
  if (const auto key = reply.text()) {
    answer.error = fmt::format("WRONGTYPE {} holds what is no state of this limit", *key);
    return true;
  }
  const auto went = tells_how ? reply.number() : 0;
  if (!went) return false;
  answer.cooldown = {.refused = *went % 2 == 1, .left_us = *went / 2};
  return std::ranges::all_of(answer.verdicts,
                             [&reply](Verdict& verdict) { return read_verdict(reply, verdict); });
}

}  // namespace

Slot CheckCodec::slot_of(const Check& check) const {
  const Hash128& client = check.charges.empty() ? check.client : check.charges.front().client;
  return redis::slot_of(names_.cooldown(client));
}

Call CheckCodec::encode(std::span<const Check> checks, std::optional<Micros> at) const {
  Call call{.operation = Operation::check,
            .slot = checks.empty() ? Slot{0} : slot_of(checks.front()),
            .script = &check_scripts().back(),
            .keys = 0,
            .arguments = {}};
  std::vector<std::string>& keys = call.arguments;
  for (const Check& check : checks) add_keys(names_, check, keys);
  call.keys = static_cast<std::uint32_t>(keys.size());
  const bool differ = all_differ(keys);
  const std::optional<Algorithm> plain = differ ? plain_algorithm(checks) : std::nullopt;
  if (plain) call.script = &check_scripts()[number_of(*plain) - 1];

  Packer packer;
  if (!plain) packer.add(differ && std::ranges::none_of(checks, has_log) ? 1 : 0);
  for (auto check = checks.begin(); check != checks.end();) {
    const auto next = std::find_if_not(check, checks.end(),
                                       [&](const Check& other) { return alike(*check, other); });
    packer.add(static_cast<std::uint64_t>(next - check));
    if (plain) {
      add_charge(packer, check->charges.front());
    } else {
      add_check(packer, *check);
    }
    check = next;
  }
  call.arguments.push_back(plain ? packer.take_elements() : packer.take_list());
  // Later times are taken as the engine's last, as everywhere.
  call.arguments.push_back(at ? std::to_string(std::min(*at, kLatest / kTicksPerMicro)) : "");
  return call;
}

std::expected<void, Failure> CheckCodec::decode(const Reply& reply,
                                                std::span<CheckAnswer> answers) {
  if (reply.kind != Reply::Kind::text) return std::unexpected(no_reply_of_ours("no text"));
  Unpacker elements(reply.text);
  const auto tells_how = elements.number();
  if (!tells_how || *tells_how > 1) return std::unexpected(no_reply_of_ours("no list of ours"));
  for (CheckAnswer& answer : answers) {
    if (!read_answer(elements, *tells_how == 1, answer)) {
      return std::unexpected(no_reply_of_ours("not what was asked for"));
    }
  }
  if (!elements.ended()) return std::unexpected(no_reply_of_ours("longer than what was asked for"));
  return {};
}

Call CheckCodec::forget(std::vector<std::string> keys) {
  Call call{.operation = Operation::reset,
            .slot = keys.empty() ? Slot{0} : redis::slot_of(keys[0]),
            .script = nullptr,
            .keys = 0,
            .arguments = {}};
  call.arguments.reserve(keys.size() + 1);
  call.arguments.emplace_back("UNLINK");
  std::ranges::move(keys, std::back_inserter(call.arguments));
  return call;
}

std::span<const Script> check_scripts() {
  static const std::array<Script, kTwins + 1> scripts = [] {
    std::array<Script, kTwins + 1> made;
    std::string all(kBeginLua);
    for (std::size_t i = 0; i < kTwins; ++i) {
      const auto& [algorithm, text, name] = twins()[i];
      made[i] = make_script(fmt::format("{}{}local decide, strings = {}, {}\n{}", kBeginLua, text,
                                        name, algorithm != Algorithm::sliding_window, kPlainLua));
      all += text;
    }
    made.back() = make_script(all + std::string(kCheckLua));
    return made;
  }();
  return scripts;
}

}  // namespace tidegate::redis
