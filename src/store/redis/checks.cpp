#include "store/redis/checks.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "store/redis/script_text.hpp"

namespace tidegate::redis {
namespace {

/// What the script calls the algorithms.
std::uint64_t number_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::fixed_window:
      return 0;
    case Algorithm::sliding_window_counter:
      return 1;
    case Algorithm::token_bucket:
      return 2;
    case Algorithm::sliding_window:
      return 3;
  }
  return 0;
}

/// A flat list of numbers as MessagePack, which Redis's Lua unpacks at once.
class Packer {
 public:
  void add(std::uint64_t number) {
    ++size_;
    if (number < 0x80) {
      bytes_ += static_cast<char>(number);
    } else if (number <= 0xffff) {
      append('\xcd', number, 2);
    } else if (number <= 0xffff'ffff) {
      append('\xce', number, 4);
    } else {
      append('\xcf', number, 8);
    }
  }

  [[nodiscard]] std::string take() {
    std::string packed;
    packed.swap(bytes_);
    append('\xdd', size_, 4);
    return std::move(bytes_) + packed;
  }

 private:
  void append(char type, std::uint64_t number, unsigned bytes) {
    bytes_ += type;
    while (bytes-- > 0) bytes_ += static_cast<char>(number >> 8 * bytes);
  }

  std::string bytes_;
  std::uint64_t size_ = 0;
};

/// A span of ticks: whole microseconds, and the rest.
void add_pair(Packer& packer, Ticks ticks) {
  packer.add(ticks / kTicksPerMicro);
  packer.add(ticks % kTicksPerMicro);
}

constexpr std::size_t kParameters = 6;

void add_charge(Packer& packer, const Charge& charge, std::size_t mark) {
  const Window& window = charge.counter->window;
  packer.add(number_of(window.algorithm));
  packer.add(window.limit);
  packer.add(window.window_us);
  packer.add(charge.cost);
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
  packer.add(mark);
}

Failure no_reply_of_ours(std::string_view what) {
  return {.type = ErrorType::protocol,
          .maybe_executed = true,
          .message = "the reply to a check is " + std::string(what)};
}

/// Reads the numbers of a reply one after the other.
class Numbers {
 public:
  explicit Numbers(const std::vector<Reply>& elements) : elements_(elements) {}

  /// Nothing where there is none that is not negative.
  std::optional<std::uint64_t> next() {
    if (at_ == elements_.size()) return std::nullopt;
    const Reply& element = elements_[at_++];
    if (element.kind != Reply::Kind::integer || element.integer < 0) return std::nullopt;
    return static_cast<std::uint64_t>(element.integer);
  }
  const std::string* next_text() {
    if (at_ == elements_.size() || elements_[at_].kind != Reply::Kind::text) return nullptr;
    return &elements_[at_++].text;
  }
  [[nodiscard]] bool ended() const { return at_ == elements_.size(); }

 private:
  const std::vector<Reply>& elements_;
  std::size_t at_ = 0;
};

bool read_verdict(Numbers& numbers, Verdict& verdict) {
  const auto admitted = numbers.next();
  const auto remaining = numbers.next();
  const auto reset_us = numbers.next();
  const auto retry_after_us = numbers.next();
  const auto more_after_us = numbers.next();
  if (!more_after_us || !retry_after_us || !reset_us || !remaining || !admitted || *admitted > 1) {
    return false;
  }
  verdict = {.admitted = *admitted == 1,
             .quota = {.remaining = *remaining,
                       .reset_us = *reset_us,
                       .retry_after_us = *retry_after_us,
                       .more_after_us = *more_after_us}};
  return true;
}

bool read_answer(Numbers& numbers, CheckAnswer& answer) {
  constexpr std::uint64_t kLockedOut = 1;
  constexpr std::uint64_t kNotDecided = 2;
  const auto result = numbers.next();
  if (!result || *result > kNotDecided) return false;
  if (*result == kNotDecided) {
    const std::string* const error = numbers.next_text();
    if (error == nullptr || error->empty()) return false;
    answer.error = *error;
    return true;
  }
  const auto left_us = numbers.next();
  if (!left_us) return false;
  answer.cooldown = {.refused = *result == kLockedOut, .left_us = *left_us};
  return std::ranges::all_of(
      answer.verdicts, [&numbers](Verdict& verdict) { return read_verdict(numbers, verdict); });
}

}  // namespace

Slot CheckCodec::slot_of(const Check& check) const {
  const Hash128& client = check.charges.empty() ? check.client : check.charges.front().client;
  return redis::slot_of(names_.cooldown(client));
}

Call CheckCodec::encode(std::span<const Check> checks, std::optional<Micros> at) const {
  Call call{.operation = Operation::check,
            .slot = checks.empty() ? Slot{0} : slot_of(checks.front()),
            .script = &check_script(),
            .keys = 0,
            .arguments = {}};
  Packer packer;
  packer.add(checks.size());
  for (const Check& check : checks) {
    packer.add(check.enforced);
    packer.add(check.charges.size());
    packer.add(check.penalties != nullptr ? 1 : 0);
    if (check.penalties != nullptr) {
      packer.add(check.penalties->detection / kTicksPerMicro);
      packer.add(check.penalties->threshold);
      packer.add(check.penalties->multipliers.size());
      for (const std::uint32_t multiplier : check.penalties->multipliers) packer.add(multiplier);
      call.arguments.push_back(names_.cooldown(check.client));
      call.arguments.push_back(names_.violations(check.client));
    }
    for (const Charge& charge : check.charges) {
      call.arguments.push_back(names_.count(charge.client, *charge.counter));
    }
    // One mark for each rule, behind the counts.
    std::size_t keys = check.charges.size();
    const Counter* marked = nullptr;
    for (std::size_t i = 0; i < check.charges.size(); ++i) {
      const Charge& charge = check.charges[i];
      std::size_t mark = 0;
      if (check.penalties != nullptr && i < check.enforced) {
        if (marked == nullptr || marked->rule != charge.counter->rule) {
          marked = charge.counter;
          call.arguments.push_back(names_.violation(check.client, *marked));
          ++keys;
        }
        mark = keys;
      }
      add_charge(packer, charge, mark);
    }
    packer.add(keys);
  }
  call.keys = static_cast<std::uint32_t>(call.arguments.size());
  call.arguments.push_back(packer.take());
  // Later times are taken as the engine's last, as everywhere.
  call.arguments.push_back(at ? std::to_string(std::min(*at, kLatest / kTicksPerMicro)) : "");
  return call;
}

std::expected<void, Failure> CheckCodec::decode(const Reply& reply,
                                                std::span<CheckAnswer> answers) {
  if (reply.kind != Reply::Kind::array) return std::unexpected(no_reply_of_ours("no array"));
  Numbers numbers(reply.elements);
  for (CheckAnswer& answer : answers) {
    if (!read_answer(numbers, answer)) {
      return std::unexpected(no_reply_of_ours("not what was asked for"));
    }
  }
  if (!numbers.ended()) return std::unexpected(no_reply_of_ours("longer than what was asked for"));
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

const Script& check_script() {
  static const Script script = [] {
    std::string text;
    for (const std::string_view part : {kBeginLua, kTokenBucketLua, kFixedWindowLua,
                                        kSlidingWindowCounterLua, kSlidingWindowLua, kCheckLua}) {
      text += part;
    }
    return make_script(std::move(text));
  }();
  return script;
}

}  // namespace tidegate::redis
