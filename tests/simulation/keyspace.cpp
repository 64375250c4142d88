#include "tests/simulation/keyspace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>

#include "algo/algorithms.hpp"
#include "algo/window.hpp"

namespace tidegate::simulation {
namespace {

constexpr Micros kMore = 1'000'000;  ///< that a key lives longer than its state

/// The flat list of numbers that a call carries, as MessagePack.
class Numbers {
 public:
  explicit Numbers(std::string_view packed) : bytes_(packed) {
    if (take() != 0xdd) throw std::invalid_argument("no list of numbers");
    left_ = big_endian(4);
  }

  std::uint64_t next() {
    if (left_-- == 0) throw std::invalid_argument("too few numbers");
    const unsigned type = take();
    if (type < 0x80) return type;
    if (type < 0xcd || type > 0xcf) throw std::invalid_argument("no number");
    return big_endian(std::size_t{1} << (type - 0xcc));
  }

 private:
  unsigned take() {
    if (at_ == bytes_.size()) throw std::invalid_argument("too few bytes");
    return static_cast<unsigned char>(bytes_[at_++]);
  }
  std::uint64_t big_endian(std::size_t bytes) {
    std::uint64_t number = 0;
    while (bytes-- > 0) number = number << 8 | take();
    return number;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::uint64_t left_ = 0;
};

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

Asked read_charge(Numbers& numbers) {
  static constexpr std::array kAlgorithms{Algorithm::fixed_window,
                                          Algorithm::sliding_window_counter,
                                          Algorithm::token_bucket, Algorithm::sliding_window};
  const Algorithm algorithm = kAlgorithms.at(numbers.next());
  const std::uint64_t limit = numbers.next();
  const Micros window_us = numbers.next();
  Asked asked;
  asked.cost = numbers.next();
  std::array<std::uint64_t, 6> more{};
  for (std::uint64_t& number : more) number = numbers.next();
  numbers.next();  // the mark of its rule: for penalties
  asked.window = window_of(algorithm, limit, window_us, more[0] * kTicksPerMicro + more[1],
                           more[2] * kTicksPerMicro + more[3]);
  return asked;
}

/// The log of a sliding window at a time that is not before its newest.
struct Log {
  Log(const Value& value, const Window& window, Micros now) {
    at = value.log.empty() ? now : std::max(now, value.log.back());
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

std::expected<Executed, std::string> execute_checks(const std::vector<std::string>& words,
                                                    std::size_t keys, Micros now,
                                                    std::string_view refuse_writes,
                                                    Keyspace& data) {
  Executed done;
  Numbers numbers(words.at(keys));
  if (const std::string& handed_in = words.at(keys + 1); !handed_in.empty()) {
    now = std::stoull(handed_in);
  }
  std::vector<std::string> reply;
  std::size_t key = 0;
  for (std::uint64_t checks = numbers.next(); checks > 0; --checks) {
    const std::uint64_t enforced = numbers.next();
    const std::uint64_t charges = numbers.next();
    if (numbers.next() != 0 || enforced != charges) {
      throw std::invalid_argument("penalties and shadows are not simulated");
    }
    std::vector<Asked> group;
    for (std::uint64_t i = 0; i < charges; ++i) {
      group.push_back(read_charge(numbers));
      group.back().key = words.at(key++);
      const auto found = data.find(group.back().key);
      if (found != data.end() && found->second.expires_at <= now) data.erase(found);
    }
    numbers.next();  // how many keys these were
    std::vector<bool> passes;
    for (const Asked& asked : group) {
      const auto found = data.find(asked.key);
      Value value = found == data.end() ? Value() : found->second;
      passes.push_back(charge(asked, value, now, false));
    }
    const bool admitted = std::ranges::find(passes, false) == passes.end();
    if (admitted && !refuse_writes.empty()) return std::unexpected(std::string(refuse_writes));
    done.decided.push_back({group[0].key, group[0].cost, admitted});
    reply.push_back(integer_reply(0));
    reply.push_back(integer_reply(0));
    for (std::size_t i = 0; i < group.size(); ++i) {
      Value& value = data[group[i].key];
      if (admitted) {
        charge(group[i], value, now, true);
        group[i].cost = 0;
        done.written.push_back(group[i].key);
      } else if (passes[i]) {
        group[i].cost = 0;
      }
      const Quota quota = quota_of(group[i], value, now);
      reply.push_back(integer_reply(passes[i] ? 1 : 0));
      for (const std::uint64_t number :
           {quota.remaining, quota.reset_us, quota.retry_after_us, quota.more_after_us}) {
        reply.push_back(integer_reply(number));
      }
      if (value.expires_at == 0) data.erase(group[i].key);
    }
  }
  done.reply = array_reply(reply);
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
