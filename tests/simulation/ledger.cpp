#include "tests/simulation/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tidegate::simulation {
namespace {

constexpr std::size_t kMostViolations = 5;
constexpr Micros kLeastRetry = 1'000'000;
/// A denial is remembered for so long at most.
constexpr Micros kDenialCache = DenialCache::kLongest;

/// A key's client: what stands in braces.
std::string client_in(std::string_view key) {
  const auto begin = key.find('{') + 1;
  return std::string(key.substr(begin, key.find('}') - begin));
}

FailureMode mode_of(AnsweredBy by) {
  switch (by) {
    case AnsweredBy::fail_closed:
      return FailureMode::fail_closed;
    case AnsweredBy::local:
      return FailureMode::local;
    default:
      return FailureMode::fail_open;
  }
}

}  // namespace

std::uint64_t most_in_window(const Window& window) {
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return window.capacity + window.limit;
    case Algorithm::sliding_window:
      return window.limit;
    default:  // it touches two windows
      return 2 * window.limit;
  }
}

Micros memory_of(const Window& window) {
  switch (window.algorithm) {
    case Algorithm::token_bucket:
      return micros_ceil(window.burst);
    case Algorithm::sliding_window_counter:
      return 2 * window.window_us;
    default:
      return window.window_us;
  }
}

void Ledger::violated(std::string_view promise, std::string message) {
  world_.note("VIOLATED", 0, 0, message);
  if (violations_.size() == kMostViolations) return;
  violations_.push_back({world_.now() - World::kBegin, std::string(promise), std::move(message)});
}

void Ledger::on_executed(const Count& count, const Decided& decided) {
  if (!decided.admitted || decided.cost == 0) return;
  const std::string name = client_in(decided.key);
  histories_[name].taken[count].push_back({world_.now(), decided.cost});
}

void Ledger::on_answer(const Answer& answer) {
  ++answers_[answer.by];
  const Micros waited = world_.now() - answer.asked;
  if (waited > promises_.decision_timeout_us) {
    violated("deadline", fmt::format("{} waited {} us", answer.client->name, waited));
  }
  const bool was_open = answer.state == BreakerState::open;
  if (was_open && !answer.at_once) {
    violated("open", fmt::format("{} waited while the breaker was open", answer.client->name));
  }
  if (answer.by == AnsweredBy::store) {
    if (was_open) {
      violated("open", fmt::format("{} was judged from memory in an outage", answer.client->name));
    }
    if (!answer.admitted)
      histories_[answer.client->name].denials.push_back({world_.now(), answer.cost});
    if (answer.admitted && answer.client->once && !histories_.contains(answer.client->name)) {
      violated("counted", fmt::format("{} was admitted and counted nowhere", answer.client->name));
    }
    return;
  }
  if (mode_of(answer.by) != promises_.failure_mode) {
    violated("mode", fmt::format("{} was answered by another failure mode", answer.client->name));
  }
  const Micros longest = std::max(kLeastRetry, promises_.breaker_timeout_us) * 6 / 5;
  if (answer.by == AnsweredBy::fail_closed &&
      (answer.retry_us < kLeastRetry || answer.retry_us > longest)) {
    violated("mode", fmt::format("{} is told to come again in {} us", answer.client->name,
                                 answer.retry_us));
  }
  if (healthy_ && !waits_for_probe(answer)) {
    violated("service", fmt::format("{} was not decided by the store, and nothing is broken",
                                    answer.client->name));
  }
}

/// A server that nobody asks for is probed when somebody does, and then by one.
bool Ledger::waits_for_probe(const Answer& answer) {
  if (answer.state != BreakerState::half_open || !answer.at_once) return false;
  const auto first = probing_.try_emplace(answer.breaker, world_.now()).first->second;
  return world_.now() - first <= promises_.decision_timeout_us;
}

void Ledger::conclude(const std::deque<Client>& clients,
                      const std::vector<std::vector<Counter>>& limits) {
  for (const Client& client : clients) {
    const auto found = histories_.find(client.name);
    if (found == histories_.end()) continue;
    if (client.once) {
      std::uint64_t times = 0;
      for (const auto& [count, taken] : found->second.taken) times += taken.size();
      if (times > 1) {
        violated("once", fmt::format("{} asked once and was charged {} times", client.name, times));
      }
      continue;
    }
    const std::vector<Counter>& counters = limits[client.group];
    for (const auto& [count, taken] : found->second.taken) {
      for (const Counter& counter : counters) check_bound(client, counter, taken);
    }
    check_denials(client, counters, found->second);
  }
}

void Ledger::check_bound(const Client& client, const Counter& counter,
                         const std::vector<Taken>& taken) {
  const Window& window = counter.window;
  // A bucket is checked exactly, as a level that drains; the others window by window.
  Ticks level = 0;
  std::uint64_t in_window = 0;
  auto first = taken.begin();
  Micros before = 0;
  for (const Taken& each : taken) {
    bool above = false;
    if (window.algorithm == Algorithm::token_bucket) {
      level -= std::min(level, ticks_from_micros(each.at - before));
      level += each.cost * window.period;
      before = each.at;
      above = level > window.burst;
    } else {
      in_window += each.cost;
      for (; first->at + window.window_us <= each.at; ++first) in_window -= first->cost;
      above = in_window > most_in_window(window);
    }
    if (!above) continue;
    violated("bound", fmt::format("{} got more than {} allows under {} {}/{} us, at {} us",
                                  client.name, most_in_window(window), to_string(window.algorithm),
                                  window.limit, window.window_us, each.at - World::kBegin));
    return;
  }
}

/// Nobody is refused who has not taken enough, by any server.
void Ledger::check_denials(const Client& client, const std::vector<Counter>& counters,
                           const History& history) {
  for (const Denial& denial : history.denials) {
    const bool due = std::ranges::any_of(counters, [&](const Counter& counter) {
      const Micros slack = memory_of(counter.window) + kDenialCache + promises_.clock_slack_us;
      std::uint64_t used = 0;
      for (const auto& [count, taken] : history.taken) {
        for (const Taken& each : taken) {
          if (each.at <= denial.at && each.at + slack >= denial.at) used += each.cost;
        }
      }
      return used + denial.cost > counter.window.capacity || (gone_back_ && used > 0);
    });
    if (due) continue;
    violated("denial", fmt::format("{} was refused at {} us, and had not taken what is his",
                                   client.name, denial.at - World::kBegin));
    return;
  }
}

}  // namespace tidegate::simulation
