#include "tests/simulation/keyspace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "algo/algorithms.hpp"
#include "algo/window.hpp"
#include "store/redis/checks.hpp"
#include "store/redis/message_pack.hpp"

namespace tidegate::simulation {
namespace {

constexpr Micros kMore = 1'000'000;  ///< that a key lives longer than its state

/// The numbers that a call carries, one after the other, with the head of a list or without.
class Numbers {
 public:
  explicit Numbers(std::string_view packed) : bytes_(packed) {
    constexpr std::array kHeads{std::pair(0xdcU, 2U), std::pair(0xddU, 4U)};
    if (ended()) return;
    const auto first = static_cast<unsigned char>(bytes_[0]);
    for (const auto& [type, size] : kHeads) {
      if (first == type) at_ = 1 + size;
    }
    if (first >= 0x90 && first <= 0x9f) at_ = 1;
  }

  [[nodiscard]] bool ended() const { return at_ == bytes_.size(); }
  std::uint64_t next() {
    const unsigned type = take();
    if (type < 0x80) return type;
    if (type < 0xcc || type > 0xcf) throw std::invalid_argument("no number");
    std::uint64_t number = 0;
    for (std::size_t bytes = std::size_t{1} << (type - 0xcc); bytes > 0; --bytes) {
      number = number << 8 | take();
    }
    return number;
  }

 private:
  unsigned take() {
    if (ended()) throw std::invalid_argument("too few bytes");
    return static_cast<unsigned char>(bytes_[at_++]);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

constexpr std::array kAlgorithms{Algorithm::fixed_window, Algorithm::sliding_window_counter,
                                 Algorithm::token_bucket, Algorithm::sliding_window};

/// One charge of a call.
struct Asked {
  Window window;
  std::uint64_t cost = 0;
  std::string key;
};

Window window_of(Algorithm algorithm, std::uint64_t limit, Micros window_us, Ticks period,
                 Ticks burst) {
  WindowConfig config{.limit = limit, .window = std::chrono::microseconds(window_us), .burst = {}};
  if (algorithm == Algorithm::token_bucket) config.burst = burst / period;
  return make_window(algorithm, config);
}

Asked read_charge(Algorithm algorithm, Numbers& numbers) {
  Asked asked;
  asked.cost = numbers.next();
  const std::uint64_t limit = numbers.next();
  const Micros window_us = numbers.next();
  std::array<std::uint64_t, 6> more{};
  for (std::uint64_t& number : more) number = numbers.next();
  asked.window = window_of(algorithm, limit, window_us, more[0] * kTicksPerMicro + more[1],
                           more[2] * kTicksPerMicro + more[3]);
  return asked;
}

/// The charges of each check, without their keys.
std::vector<std::vector<Asked>> read_checks(std::size_t script, std::string_view packed) {
  std::vector<std::vector<Asked>> checks;
  Numbers numbers(packed);
  const bool plain = script < kAlgorithms.size();
  if (!plain) numbers.next();  // whether all values may be read at once
  while (!numbers.ended()) {
    const std::uint64_t alike = numbers.next();
    std::vector<Asked> group;
    if (plain) {
      group.push_back(read_charge(kAlgorithms.at(script), numbers));
    } else {
      const std::uint64_t charges = numbers.next();
      const std::uint64_t enforced = numbers.next();
      numbers.next();  // how many keys these are
      if (numbers.next() != 0 || enforced != charges) {
        throw std::invalid_argument("penalties and shadows are not simulated");
      }
      for (std::uint64_t i = 0; i < charges; ++i) {
        const Algorithm algorithm = kAlgorithms.at(numbers.next() - 1);
        group.push_back(read_charge(algorithm, numbers));
        numbers.next();  // the mark of its rule: for penalties
      }
    }
    checks.insert(checks.end(), alike, group);
  }
  return checks;
}

/// The log of a sliding window at a time that is not before its newest.
struct Log {
  Log(const Value& value, const Window& window, Micros now)
      : at(value.log.empty() ? now : std::max(now, value.log.back())) {
    const auto old = [&](Micros stamp) { return stamp + window.window_us <= at; };
    const auto first = std::ranges::find_if_not(value.log, old);
    stamps.assign(first, value.log.end());
  }
  Micros at = 0;
  std::vector<Micros> stamps;
};

/// Whether a charge passes; takes it if told to.
bool charge(const Asked& asked, Value& value, Micros now, bool take) {
  if (asked.window.algorithm == Algorithm::sliding_window) {
    Log log(value, asked.window, now);
    if (log.stamps.size() + asked.cost > asked.window.limit) return asked.cost == 0;
    if (!take) return true;
    log.stamps.insert(log.stamps.end(), asked.cost, log.at);
    value.log = std::move(log.stamps);
    value.expires_at = log.at + asked.window.window_us + kMore;
    return true;
  }
  const Step next = step(asked.window, value.word, ticks_from_micros(now), asked.cost);
  if (take && next.admitted) {
    value.word = next.word;
    value.expires_at = micros_ceil(next.word) + kMore;
  }
  return next.admitted;
}

Quota quota_of(const Asked& asked, const Value& value, Micros now) {
  if (asked.window.algorithm != Algorithm::sliding_window) {
    return inspect(asked.window, value.word, ticks_from_micros(now), asked.cost);
  }
  const Log log(value, asked.window, now);
  const std::uint64_t count = log.stamps.size();
  const std::uint64_t left = asked.window.limit - std::min(asked.window.limit, count);
  const auto gone_in = [&](std::uint64_t stamp) {
    return stamp >= count ? 0 : log.stamps[stamp] + asked.window.window_us - now;
  };
  return {.remaining = left,
          .reset_us = count == 0 ? 0 : gone_in(count - 1),
          .retry_after_us = asked.cost > left ? gone_in(asked.cost - 1 - left) : 0,
          .more_after_us = gone_in(0)};
}

}  // namespace

std::expected<Executed, std::string> execute_checks(std::string_view sha1,
                                                    const std::vector<std::string>& words,
                                                    std::size_t keys, Micros now,
                                                    std::string_view refuse_writes,
                                                    Keyspace& data) {
  const auto scripts = redis::check_scripts();
  const auto script = static_cast<std::size_t>(
      std::ranges::find(scripts, sha1, &redis::Script::sha1) - scripts.begin());
  if (script == scripts.size()) throw std::invalid_argument("no script of ours");
  if (const std::string& handed_in = words.at(keys + 1); !handed_in.empty()) {
    now = std::stoull(handed_in);
  }
  Executed done;
  redis::Packer reply;
  const bool plain = script < kAlgorithms.size();
  reply.add(plain ? 0 : 1);
  std::size_t key = 0;
  for (std::vector<Asked>& group : read_checks(script, words.at(keys))) {
    std::vector<bool> passes;
    for (Asked& asked : group) {
      asked.key = words.at(key++);
      const auto found = data.find(asked.key);
      if (found != data.end() && found->second.expires_at <= now) data.erase(found);
      Value& value = data[asked.key];
      passes.push_back(charge(asked, value, now, false));
    }
    const bool admitted = std::ranges::find(passes, false) == passes.end();
    if (admitted && !refuse_writes.empty()) return std::unexpected(std::string(refuse_writes));
    done.decided.push_back({group[0].key, group[0].cost, admitted});
    if (!plain) reply.add(0);
    for (std::size_t i = 0; i < group.size(); ++i) {
      Value& value = data[group[i].key];
      if (admitted) {
        charge(group[i], value, now, true);
        done.written.push_back(group[i].key);
      }
      if (passes[i]) group[i].cost = 0;
      const Quota quota = quota_of(group[i], value, now);
      const bool at_length = !plain || !passes[i];
      reply.add(2 * quota.remaining + (at_length ? 1 : 0));
      reply.add(quota.reset_us);
      reply.add(quota.more_after_us);
      if (at_length) reply.add(passes[i] ? 0 : 1 + quota.retry_after_us);
      if (value.expires_at == 0) data.erase(group[i].key);
    }
  }
  done.reply = text_reply(reply.take_list());
  return done;
}

std::string error_reply(std::string_view text) { return fmt::format("-{}\r\n", text); }
std::string status_reply(std::string_view text) { return fmt::format("+{}\r\n", text); }
std::string integer_reply(std::uint64_t number) { return fmt::format(":{}\r\n", number); }
std::string text_reply(std::string_view text) {
  return fmt::format("${}\r\n{}\r\n", text.size(), text);
}
std::string array_reply(const std::vector<std::string>& elements) {
  std::string reply = fmt::format("*{}\r\n", elements.size());
  for (const std::string& element : elements) reply += element;
  return reply;
}

}  // namespace tidegate::simulation
