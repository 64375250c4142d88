// The script against the shared table: the same requests at the same times, and every answer equal.
//
//   scripts_test [SCHEDULES] [SEED]
//
// A schedule is two clients of some rules, with a few dozen turns of up to three requests in one
// call that wait, hurry, go back in time, look, and meet another limit under the same name.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "store/memory/store.hpp"
#include "store/redis/checks.hpp"
#include "tests/redis/redis_server.hpp"

namespace tidegate::redis {
namespace {

constexpr std::size_t kTurns = 24;
constexpr std::size_t kMostRequests = 3;  ///< of a turn
constexpr std::size_t kSchedulesAtOnce = 256;
constexpr Micros kBegin = 1'700'000'000'000'000;

using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t end) { return random() % end; }

template <class T, std::size_t Size>
const T& one_of(Random& random, const std::array<T, Size>& choices) {
  return choices[below(random, Size)];
}

Reply copy(const redisReply& from) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::integer;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
      reply.kind = Reply::Kind::text;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::error;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::array;
      for (std::size_t i = 0; i < from.elements; ++i)
        reply.elements.push_back(copy(*from.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

constexpr std::uint64_t kLongestMillis = 31'622'400'000;

/// Whether a configuration may have it: an empty bucket is full again within the longest window.
bool allowed(const WindowConfig& window) {
  const auto millis = static_cast<std::uint64_t>(window.window.count()) / 1'000;
  return !window.burst || *window.burst * millis / window.limit <= kLongestMillis;
}

/// A limit that a configuration may have.
WindowConfig random_window(Random& random, Algorithm algorithm) {
  static constexpr std::array<std::uint64_t, 12> kLimits{1,  2,  3,   5,   7,     10,
                                                         30, 60, 100, 997, 5'000, 70'000};
  static constexpr std::array<std::uint64_t, 10> kMillis{
      1, 3, 100, 999, 1'000, 60'000, 61'234, 3'600'000, 86'400'000, kLongestMillis};
  for (;;) {
    WindowConfig window;
    window.limit = one_of(random, kLimits);
    const std::uint64_t millis = one_of(random, kMillis);
    window.window = std::chrono::milliseconds(millis);
    if (window.limit > millis * 1'000) continue;  // above a million a second
    if (algorithm == Algorithm::sliding_window && window.limit > 1'000) continue;
    if (algorithm == Algorithm::sliding_window_counter &&
        window.limit * window.limit >= millis * 1'000 * kTicksPerMicro) {
      continue;
    }
    if (algorithm == Algorithm::token_bucket && below(random, 2) == 0) {
      window.burst = 1 + below(random, 3 * window.limit);
      if (!allowed(window)) window.burst.reset();
    }
    return window;
  }
}

/// Two clients with their rules, in both stores.
struct Schedule {
  std::deque<std::string> names;
  std::vector<Counter> counters;  ///< in force
  std::vector<Window> others;     ///< another limit under each name
  std::size_t enforced = 0;
  std::array<Hash128, 2> clients;
  Micros now = kBegin;
  Micros step = 0;  ///< how far apart requests are, roughly
  std::optional<Penalties> penalties;
};

Schedule random_schedule(Random& random, std::uint64_t number, const HashKey& key) {
  static constexpr std::array kAlgorithms{Algorithm::token_bucket, Algorithm::fixed_window,
                                          Algorithm::sliding_window_counter,
                                          Algorithm::sliding_window};
  Schedule schedule;
  for (std::size_t i = 0; i < schedule.clients.size(); ++i) {
    schedule.clients[i] = siphash128(key, fmt::format("client{}-{}", number, i));
  }
  const std::size_t rules = 1 + below(random, 3);
  Micros shortest = ~Micros{0};
  for (std::size_t rule = 0; rule < rules; ++rule) {
    const std::string& name = schedule.names.emplace_back("rule-" + std::to_string(rule));
    const Algorithm algorithm = one_of(random, kAlgorithms);
    const std::size_t windows = below(random, 4) == 0 ? 2 : 1;
    for (std::size_t i = 0; i < windows; ++i) {
      const WindowConfig config = random_window(random, algorithm);
      const bool there = std::ranges::any_of(schedule.counters, [&](const Counter& counter) {
        return counter.rule == rule && counter.window.window_us == micros_of(config.window);
      });
      if (there) continue;
      Counter& counter = schedule.counters.emplace_back();
      counter.window = make_window(algorithm, config);
      counter.rule_name = name;
      counter.rule = static_cast<std::uint32_t>(rule);
      const std::string text =
          fmt::format("{}|{}|{}", name, to_string(algorithm), counter.window.window_us);
      counter.key = {siphash128(key, text).low, siphash128(key, name).high};
      WindowConfig other = config;
      other.limit = 1 + below(random, config.limit);
      if (other.burst) other.burst = std::max<std::uint64_t>(1, *other.burst / 2);
      if (!allowed(other)) other.burst.reset();
      schedule.others.push_back(make_window(algorithm, other));
      shortest = std::min(shortest, counter.window.window_us);
    }
    if (rule == 0 || below(random, 3) != 0) schedule.enforced = schedule.counters.size();
  }
  // From many requests in a slice to one in a window.
  const Window& first = schedule.counters[below(random, schedule.counters.size())].window;
  schedule.step =
      1 + first.window_us / (1 + below(random, 2 * std::min<std::uint64_t>(first.limit, 50)));
  schedule.now += below(random, 1'000'000'000'000);
  if (below(random, 3) == 0) {
    Penalties& penalties = schedule.penalties.emplace();
    penalties.detection =
        std::min(1'000 + below(random, 40 * shortest), kMaxWindow_us) * kTicksPerMicro;
    penalties.threshold = 1 + below(random, 3);
    penalties.multipliers = {1, 2, static_cast<std::uint32_t>(3 + below(random, 5))};
    penalties.count_key = siphash128(key, "count");
    penalties.cooldown_key = siphash128(key, "cooldown");
  }
  return schedule;
}

void pass_time(Random& random, Schedule& schedule) {
  switch (below(random, 10)) {
    case 0:
      break;
    case 1:
      schedule.now -= below(random, schedule.step + 1);
      break;
    case 2:
      schedule.now += below(random, 20 * schedule.step + 1);
      break;
    case 3: {  // to the end of a window, exactly or nearly
      const Micros window =
          schedule.counters[below(random, schedule.counters.size())].window.window_us;
      schedule.now += window - schedule.now % window + below(random, 3) - 1;
      break;
    }
    default:
      schedule.now += below(random, 2 * schedule.step);
  }
}

struct Request {
  std::vector<Charge> charges;
  std::vector<Verdict> memory;
  std::vector<Verdict> redis;
  Check check;
};

std::uint64_t random_cost(Random& random, const Window& window) {
  switch (below(random, 8)) {
    case 0:
      return 0;
    case 1:
      return 1 + below(random, window.capacity);
    case 2:
      return std::min<std::uint64_t>(window.capacity, 2);
    default:
      return 1;
  }
}

/// Another limit under one of the names, now and then.
void change_limit(Random& random, Schedule& schedule) {
  if (below(random, 6) != 0) return;
  const std::size_t i = below(random, schedule.counters.size());
  std::swap(schedule.counters[i].window, schedule.others[i]);
}

Request random_request(Random& random, const Schedule& schedule) {
  const Hash128& client = one_of(random, schedule.clients);
  Request request;
  const std::uint64_t wanted =
      below(random, 5) == 0 ? random_cost(random, schedule.counters[0].window) : 1;
  for (const Counter& counter : schedule.counters) {
    const std::uint64_t cost =
        below(random, 12) == 0 ? random_cost(random, counter.window) : wanted;
    request.charges.push_back({&counter, client, std::min(cost, counter.window.capacity)});
  }
  request.memory.resize(request.charges.size());
  request.redis.resize(request.charges.size());
  request.check = {.charges = request.charges,
                   .enforced = schedule.enforced,
                   .penalties = schedule.penalties ? &*schedule.penalties : nullptr,
                   .client = client};
  return request;
}

/// What the engine does with the answer of the memory store.
Cooldown ask_memory(MemoryStore& store, Request& request, Micros now_us) {
  const Ticks now = ticks_from_micros(now_us);
  const Check& check = request.check;
  const std::span verdicts(request.memory);
  const auto enforced = check.charges.first(check.enforced);
  Cooldown cooldown;
  if (check.penalties != nullptr) {
    cooldown =
        store.apply(enforced, now, verdicts.first(check.enforced), *check.penalties, check.client);
  } else {
    store.apply(enforced, now, verdicts.first(check.enforced));
  }
  std::vector<Charge> shadows(check.charges.begin() + static_cast<std::ptrdiff_t>(check.enforced),
                              check.charges.end());
  if (cooldown.refused) {
    for (Charge& shadow : shadows) shadow.cost = 0;
  }
  if (!shadows.empty()) store.apply(shadows, now, verdicts.subspan(check.enforced));
  return cooldown;
}

std::string text_of(const Charge& charge, const Verdict& verdict) {
  return fmt::format("{} {}/{} us cost {}: admitted {} remaining {} reset {} retry {} more {}",
                     to_string(charge.counter->window.algorithm), charge.counter->window.limit,
                     charge.counter->window.window_us, charge.cost, verdict.admitted,
                     verdict.quota.remaining, verdict.quota.reset_us, verdict.quota.retry_after_us,
                     verdict.quota.more_after_us);
}

bool equal(const Verdict& a, const Verdict& b) {
  return a.admitted == b.admitted && a.quota.remaining == b.quota.remaining &&
         a.quota.reset_us == b.quota.reset_us && a.quota.retry_after_us == b.quota.retry_after_us &&
         a.quota.more_after_us == b.quota.more_after_us;
}

class Comparison {
 public:
  explicit Comparison(std::uint64_t seed)
      : seed_(seed), random_(seed), connection_(server_.connect()) {
    for (const Script& script : check_scripts()) {
      const RawReply loaded = RedisServer::command(*connection_, {"SCRIPT", "LOAD", script.text});
      if (loaded->type != REDIS_REPLY_STRING || script.sha1 != loaded->str) {
        throw std::runtime_error(fmt::format("a script cannot be loaded: {}", loaded->str));
      }
    }
  }

  /// Each schedule has a table of its own: what is evicted there moves time for others.
  int run(std::uint64_t first, std::size_t count) {
    const StoreGeometry geometry{.capacity = 4'096, .log_slots = 1 << 16};
    const std::size_t bytes = MemoryStore::bytes_needed(geometry);
    const std::unique_ptr<std::byte, decltype(&std::free)> memory(
        static_cast<std::byte*>(std::aligned_alloc(4096, bytes)), &std::free);
    const std::span<std::byte> all(memory.get(), bytes);
    int wrong = 0;
    for (std::uint64_t number = first; number < first + count; ++number) {
      std::ranges::fill(all, std::byte{});
      MemoryStore::format(all, geometry);
      auto store = MemoryStore::attach(all, geometry, kAnyTime);
      if (!store) throw std::runtime_error(store.error().message);
      wrong += compare(**store, number) ? 0 : 1;
    }
    const RawReply flushed = RedisServer::command(*connection_, {"FLUSHALL"});
    return wrong;
  }

  std::uint64_t decisions = 0;
  std::uint64_t cut_short = 0;  ///< schedules

 private:
  bool compare(MemoryStore& store, std::uint64_t number) {
    Random random(seed_ ^ (number * 0x9e37'79b9'7f4a'7c15));
    Schedule schedule = random_schedule(random, number, {1, 2});
    // The rings are for the larger of both limits.
    std::vector<Counter*> counters;
    for (Counter& counter : schedule.counters) {
      counter.overflow_count = 4;
      if (counter.window.algorithm == Algorithm::sliding_window) {
        counter.ring_slots = static_cast<std::uint32_t>(counter.window.limit);
      }
      counters.push_back(&counter);
    }
    if (auto bound = store.bind(counters, ticks_from_micros(schedule.now), true); !bound) {
      throw std::runtime_error(bound.error().message);
    }
    std::vector<std::string> history;
    for (std::size_t turn = 0; turn < kTurns; ++turn) {
      pass_time(random, schedule);
      schedule.now = std::min(schedule.now, kLatest / kTicksPerMicro);  // the engine's last
      change_limit(random, schedule);
      std::vector<Request> requests(1 + below(random, kMostRequests));
      std::vector<CheckAnswer> memory(requests.size());
      std::vector<CheckAnswer> redis(requests.size());
      std::vector<Check> checks;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i] = random_request(random, schedule);
        memory[i].cooldown = ask_memory(store, requests[i], schedule.now);
        redis[i].verdicts = requests[i].redis;
        checks.push_back(requests[i].check);
      }
      const std::string failure = ask_redis(checks, schedule.now, redis);
      bool all_same = failure.empty();
      history.push_back(fmt::format("at {}: {}\n", schedule.now, failure));
      for (std::size_t i = 0; i < requests.size(); ++i) {
        ++decisions;
        all_same = same(requests[i], memory[i], redis[i]) && all_same;
        history.push_back(told(schedule, requests[i], memory[i], redis[i]));
      }
      if (all_same) continue;
      // Whoever takes over an expired entry is put to the time that its owner had used: stricter,
      // and nothing that Redis has.
      if (store.counts().evictions != 0) {
        ++cut_short;
        return true;
      }
      fmt::print("seed {} schedule {} differs in turn {}:\n", seed_, number, turn);
      constexpr std::size_t kTold = 8;
      for (std::size_t last = history.size() > kTold ? history.size() - kTold : 0;
           last < history.size(); ++last) {
        fmt::print("{}", history[last]);
      }
      return false;
    }
    return true;
  }

  static bool same(const Request& request, const CheckAnswer& memory, const CheckAnswer& redis) {
    return redis.error.empty() && memory.cooldown.refused == redis.cooldown.refused &&
           memory.cooldown.left_us == redis.cooldown.left_us &&
           std::ranges::equal(request.memory, request.redis, equal);
  }

  static std::string told(const Schedule& schedule, const Request& request,
                          const CheckAnswer& memory, const CheckAnswer& redis) {
    std::string text =
        fmt::format("  client {:x}: cooldown {} {} / {} {} {}\n", request.check.client.low,
                    memory.cooldown.refused, memory.cooldown.left_us, redis.cooldown.refused,
                    redis.cooldown.left_us, redis.error);
    for (std::size_t c = 0; c < request.charges.size(); ++c) {
      text += fmt::format("  {}{}\n    C++ {}\n    Lua {}\n",
                          c < schedule.enforced ? "" : "shadow ", schedule.counters[c].rule_name,
                          text_of(request.charges[c], request.memory[c]),
                          text_of(request.charges[c], request.redis[c]));
    }
    return text;
  }

  std::string ask_redis(std::span<const Check> checks, Micros now, std::span<CheckAnswer> answers) {
    const Call call = codec_.encode(checks, now);
    std::vector<std::string> words{"EVALSHA", call.script->sha1, std::to_string(call.keys)};
    words.insert(words.end(), call.arguments.begin(), call.arguments.end());
    const RawReply reply = RedisServer::command(*connection_, words);
    if (reply->type == REDIS_REPLY_ERROR) return reply->str;
    const auto decoded = CheckCodec::decode(copy(*reply), answers);
    return decoded ? "" : decoded.error().message;
  }

  std::uint64_t seed_;
  Random random_;
  RedisServer server_;
  Context connection_;
  CheckCodec codec_{KeyNames("ratelimit", "test")};
};

int run(std::uint64_t schedules, std::uint64_t seed) {
  Comparison comparison(seed);
  int wrong = 0;
  for (std::uint64_t first = 0; first < schedules && wrong < 5; first += kSchedulesAtOnce) {
    wrong += comparison.run(first, std::min<std::uint64_t>(kSchedulesAtOnce, schedules - first));
  }
  const bool enough = comparison.cut_short <= 1 + schedules / 1'000;
  fmt::print("{} schedules ({} cut short{}), {} decisions, {} mismatches (seed {})\n", schedules,
             comparison.cut_short, enough ? "" : ": too many", comparison.decisions, wrong, seed);
  return wrong == 0 && enough ? 0 : 1;
}

}  // namespace
}  // namespace tidegate::redis

int main(int count, char** arguments) {
  const std::uint64_t schedules = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 2'000;
  const std::uint64_t seed =
      count > 2
          ? std::strtoull(arguments[2], nullptr, 10)
          : static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return tidegate::redis::run(schedules, seed);
}
