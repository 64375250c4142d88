#include "tests/simulation/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>

#include "store/redis/keys.hpp"
#include "tests/simulation/cluster.hpp"
#include "tests/simulation/fabric.hpp"
#include "tests/simulation/host.hpp"
#include "tests/simulation/redis_node.hpp"
#include "tests/simulation/sentinels.hpp"
#include "tests/simulation/world.hpp"

namespace tidegate::simulation {
namespace {

constexpr Micros kMilli = 1'000;
constexpr Micros kSecond = 1'000'000;

/// Replicas are in step, and everybody has connected.
constexpr Micros kWarmUp = 2 * kSecond;
constexpr Micros kPeaceBefore = kSecond;
constexpr Micros kPeaceAfter = 2 * kSecond;
/// After that, servers that are left alone have to agree.
constexpr Micros kPatience = 60 * kSecond;
constexpr Micros kLook = 100 * kMilli;
/// Within so long a store that is there again is used again.
constexpr Micros kRecovery = 5 * kSecond;

// Who is who in the network.
constexpr Party kFirstHost = 1;
constexpr Party kFirstNode = 11;
constexpr Party kFirstSentinel = 21;

Counter counter_of(World& world, Algorithm algorithm, std::string_view rule, std::uint32_t number,
                   bool generous) {
  static constexpr std::array<std::uint64_t, 5> kLimits{1, 2, 5, 10, 40};
  static constexpr std::array<Micros, 4> kWindows{kSecond, 2 * kSecond, 5 * kSecond, 10 * kSecond};
  WindowConfig config{.limit = generous ? 1'000 : kLimits[world.below(kLimits.size())],
                      .window = std::chrono::microseconds(kWindows[world.below(kWindows.size())]),
                      .burst = {}};
  if (algorithm == Algorithm::token_bucket && !generous && world.one_in(2)) {
    config.burst = world.between(1, 2 * config.limit);
  }
  Counter counter;
  counter.window = make_window(algorithm, config);
  counter.rule_name = rule;
  counter.rule = number;
  counter.key = {number, number + 1};
  counter.overflow_count = kMinOverflowPerWindow;
  if (algorithm == Algorithm::sliding_window) {
    counter.ring_slots = static_cast<std::uint32_t>(config.limit);
  }
  return counter;
}

class Run {
 public:
  Run(std::uint64_t seed, bool traced)
      : world_(seed, traced),
        fabric_(world_),
        settings_(choose_settings()),
        ledger_(world_, promises()) {
    make_servers();
    make_hosts();
    make_clients();
  }

  Outcome run() {
    const Micros begin = World::kBegin;
    world_.run_until(begin + kWarmUp);
    look();
    for (const auto& host : hosts_) {
      for (std::size_t i = 0; i < host->workers().size(); ++i) ask(*host, i);
    }
    ledger_.set_healthy(true);
    const Micros first = begin + kWarmUp + kPeaceBefore;
    const Micros last = first + world_.between(2 * kSecond, 25 * kSecond);
    Faults faults(world_, fabric_,
                  {hosts_, nodes_, sentinels_.get(), cluster_.get(), slots_of_returning()});
    const Micros over = faults.plan(first, last, world_.between(3, 20));
    world_.run_until(first - 1);
    ledger_.set_healthy(false);
    world_.run_until(over);
    world_.note("peace");
    while (!settled()) {
      if (world_.now() > over + kPatience) throw std::logic_error("the servers do not settle");
      world_.run_until(world_.now() + kLook);
    }
    world_.note("settled");
    const Micros breaker_timeout = micros_of(settings_.config.redis.circuit_breaker_timeout);
    world_.run_until(world_.now() + std::max(kRecovery, breaker_timeout + kSecond));
    ledger_.set_healthy(true);
    world_.note("recovered");
    world_.run_until(world_.now() + kPeaceAfter);
    ledger_.add_clock_slack(faults.jumped());
    if (faults.jumped_back() || elections() != 0 || cluster_) {
      ledger_.set_gone_back();
    }
    ledger_.conclude(clients_, settings_.limits);
    return {.violations = ledger_.violations(),
            .faults = faults.counts(),
            .answers = ledger_.answers(),
            .elections = elections(),
            .digest = world_.digest()};
  }

 private:
  Settings choose_settings() {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    static constexpr std::array kModes{FailureMode::fail_open, FailureMode::fail_closed,
                                       FailureMode::local};
    static constexpr std::array kDecisionTimeouts{milliseconds(10), milliseconds(50),
                                                  milliseconds(50), milliseconds(100)};
    static constexpr std::array<std::uint32_t, 4> kThresholds{1, 3, 3, 5};
    static constexpr std::array kBreakerTimeouts{seconds(1), seconds(2), seconds(5), seconds(10)};
    static constexpr std::array kSocketTimeouts{seconds(1), seconds(5)};
    static constexpr std::array<std::uint32_t, 4> kConnections{1, 1, 2, 4};
    Settings settings;
    settings.connections = world_.one_of(kConnections);
    settings.config.failure_mode = world_.one_of(kModes);
    RedisConfig& redis = settings.config.redis;
    redis.decision_timeout = world_.one_of(kDecisionTimeouts);
    redis.circuit_breaker_threshold = world_.one_of(kThresholds);
    redis.circuit_breaker_timeout = world_.one_of(kBreakerTimeouts);
    redis.socket_timeout = world_.one_of(kSocketTimeouts);
    const redis::Endpoint first = RedisNode::endpoint_of(kFirstNode);
    redis.url = fmt::format("redis://{}:{}", first.host, first.port);
    using Topology = RedisConfig::Topology;
    static constexpr std::array kTopologies{Topology::single, Topology::sentinel,
                                            Topology::sentinel, Topology::cluster};
    redis.topology = world_.one_of(kTopologies);
    if (redis.topology == Topology::sentinel) {
      redis.sentinel.service_name = Sentinels::kService;
      for (Party party = kFirstSentinel; party < kFirstSentinel + 3; ++party) {
        const redis::Endpoint endpoint = RedisNode::endpoint_of(party);
        redis.sentinel.sentinels.push_back({.host = endpoint.host, .port = endpoint.port});
      }
    }
    static constexpr std::array kAlgorithms{Algorithm::token_bucket, Algorithm::fixed_window,
                                            Algorithm::sliding_window_counter,
                                            Algorithm::sliding_window};
    static constexpr std::array<std::string_view, 4> kRules{"first", "second", "third", "once"};
    for (std::uint32_t rule = 0; rule < kRules.size(); ++rule) {
      const Algorithm algorithm = world_.one_of(kAlgorithms);
      const bool generous = rule + 1 == kRules.size();
      std::vector<Counter>& counters = settings.limits.emplace_back();
      counters.push_back(counter_of(world_, algorithm, kRules[rule], rule, generous));
      if (generous || world_.one_in(2)) continue;
      Counter other = counter_of(world_, algorithm, kRules[rule], rule, false);
      other.key.low += 100;
      if (other.window.window_us != counters[0].window.window_us) counters.push_back(other);
    }
    return settings;
  }

  [[nodiscard]] Ledger::Promises promises() const {
    const RedisConfig& redis = settings_.config.redis;
    return {.failure_mode = settings_.config.failure_mode,
            .decision_timeout_us = micros_of(redis.decision_timeout),
            .breaker_timeout_us = micros_of(redis.circuit_breaker_timeout),
            .clock_slack_us = 0};
  }

  std::int64_t choose_skew() {
    static constexpr std::array<Micros, 3> kSkews{50 * kMilli, 2 * kSecond, 3'600 * kSecond};
    const Micros skew = world_.below(world_.one_of(kSkews));
    ledger_.add_clock_slack(skew);
    return world_.one_in(2) ? static_cast<std::int64_t>(skew) : -static_cast<std::int64_t>(skew);
  }

  void make_servers() {
    using Topology = RedisConfig::Topology;
    const Topology topology = settings_.config.redis.topology;
    const std::uint32_t wanted = topology == Topology::sentinel && !world_.one_in(3) ? 1 : 0;
    const bool keeps_data = world_.one_in(2);
    const Micros lag = world_.one_in(2) ? 2 * kMilli : 500 * kMilli;
    const std::size_t nodes = topology == Topology::cluster    ? 2 * Cluster::kMasters
                              : topology == Topology::sentinel ? 3
                                                               : 1;
    for (Party party = kFirstNode; party < kFirstNode + nodes; ++party) {
      nodes_.push_back(std::make_unique<RedisNode>(world_, fabric_, ledger_, party,
                                                   RedisNode::Options{.keeps_data = keeps_data,
                                                                      .wanted_replicas = wanted,
                                                                      .lag = lag,
                                                                      .skew = choose_skew()}));
      if (topology == Topology::sentinel && party != kFirstNode) {
        nodes_.back()->follow(*nodes_.front());
      }
    }
    if (topology == Topology::cluster) {
      for (std::size_t i = 0; i < Cluster::kMasters; ++i) {
        nodes_[Cluster::kMasters + i]->follow(*nodes_[i]);
      }
      cluster_ = std::make_unique<Cluster>(world_, nodes_);
    }
    if (topology != Topology::sentinel) return;
    sentinels_ = std::make_unique<Sentinels>(
        world_, fabric_, nodes_,
        std::vector<Party>{kFirstSentinel, kFirstSentinel + 1, kFirstSentinel + 2},
        Sentinels::Options{});
  }

  void make_hosts() {
    const std::size_t hosts = world_.between(1, 3);
    const auto find = [this](Party party) -> const RedisNode* {
      const bool is_node = party >= kFirstNode && party < kFirstNode + nodes_.size();
      return is_node ? nodes_[party - kFirstNode].get() : nullptr;
    };
    for (std::size_t i = 0; i < hosts; ++i) {
      const std::size_t workers = world_.between(1, 2);
      const std::int64_t skew = choose_skew();
      hosts_.push_back(std::make_unique<Host>(world_, fabric_, ledger_, settings_, kFirstHost + i,
                                              workers, skew, find));
    }
  }

  Client& add_client(bool once, std::size_t group) {
    Client& client = clients_.emplace_back();
    client.hash = {clients_.size(), group};
    client.once = once;
    client.group = group;
    const std::string key = settings_.names.count(client.hash, settings_.limits[group][0]);
    const auto begin = key.find('{') + 1;
    client.name = key.substr(begin, key.find('}') - begin);
    return client;
  }

  void make_clients() {
    for (std::size_t group = 0; group + 1 < settings_.limits.size(); ++group) {
      returning_.push_back(&add_client(false, group));
    }
  }

  /// A turn of a worker, and the next one after a while.
  void ask(Host& host, std::size_t number) {
    world_.after(world_.below(world_.one_in(4) ? 20 * kMilli : 500 * kMilli),
                 [this, &host, number] { ask(host, number); });
    if (number >= host.workers().size()) return;
    std::vector<Worker::Wanted> wanted;
    for (std::uint64_t i = world_.between(1, 6); i > 0; --i) {
      const Client& client = world_.one_in(3) ? add_client(true, settings_.limits.size() - 1)
                                              : *world_.one_of(returning_);
      const std::uint64_t capacity = settings_.limits[client.group][0].window.capacity;
      const std::uint64_t cost = client.once || !world_.one_in(6)
                                     ? 1
                                     : world_.between(1, std::min<std::uint64_t>(3, capacity));
      wanted.push_back({&client, cost});
    }
    host.workers()[number]->ask(wanted);
  }

  /// Which hosts could know the latest master.
  void look() {
    world_.after(kLook, [this] { look(); });
    if (!sentinels_) return;
    const RedisNode& latest = sentinels_->latest();
    for (const auto& host : hosts_) {
      const auto reached = [&](Party party) {
        return fabric_.open_both_ways(host->party(), party) &&
               !fabric_.delayed(host->party(), party);
      };
      bool any = false;
      bool all_know = true;
      for (const auto& sentinel : sentinels_->all()) {
        any = any || (sentinel->alive && reached(sentinel->party()));
        all_know = all_know && sentinel->master == &latest;
      }
      const bool knows = any && all_know && latest.serves() && !latest.loads() &&
                         reached(latest.party()) && host->latest_epoch == latest.epoch();
      host->latest_epoch = latest.epoch();
      if (!knows) {
        host->knows_since = 0;
      } else if (host->knows_since == 0) {
        host->knows_since = world_.now();
      }
    }
  }

  [[nodiscard]] std::uint64_t elections() const {
    return sentinels_ ? sentinels_->elections() : cluster_ ? cluster_->elections() : 0;
  }

  [[nodiscard]] std::vector<redis::Slot> slots_of_returning() const {
    std::vector<redis::Slot> slots;
    for (const Client* const client : returning_) {
      slots.push_back(redis::slot_of("{" + client->name + "}"));
    }
    return slots;
  }

  [[nodiscard]] bool settled() const {
    if (cluster_) return cluster_->agrees();
    const RedisNode& master = sentinels_ ? sentinels_->latest() : *nodes_[0];
    return master.serves() && !master.loads() && master.why_no_writes().empty() &&
           (!sentinels_ || sentinels_->agree());
  }

  World world_;
  Fabric fabric_;
  Settings settings_;
  Ledger ledger_;
  std::vector<std::unique_ptr<RedisNode>> nodes_;
  std::unique_ptr<Sentinels> sentinels_;
  std::unique_ptr<Cluster> cluster_;
  std::deque<Client> clients_;
  std::vector<Client*> returning_;
  std::vector<std::unique_ptr<Host>> hosts_;  // last: they hang up
};

}  // namespace

Outcome simulate(std::uint64_t seed, bool traced) { return Run(seed, traced).run(); }

}  // namespace tidegate::simulation
