#include "adapters/posix/redis_operator.hpp"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "adapters/posix/poll_network.hpp"
#include "adapters/posix/random.hpp"
#include "adapters/posix/redis_session.hpp"
#include "policy/policy.hpp"
#include "store/redis/checks.hpp"

namespace tidegate::posix {
namespace {

/// Calls that somebody waits for, one after the other.
class Asking final : private redis::Listener {
 public:
  explicit Asking(const LoadedConfig& loaded)
      : timeout_(micros_of(loaded.config.redis.socket_timeout)),
        options_(client_options(loaded, 1)) {
    if (!options_) return;
    redis::ClientOptions options = *options_;
    client_.emplace(std::move(options), network_, static_cast<redis::Listener&>(*this));
    drive();
  }

  /// Another client like it, of one server alone.
  Asking(const Asking& like, const redis::Endpoint& endpoint)
      : timeout_(like.timeout_), options_(like.options_) {
    redis::ClientOptions options = *options_;
    options.only = endpoint;
    client_.emplace(std::move(options), network_, static_cast<redis::Listener&>(*this));
    drive();
  }

  std::expected<redis::Reply, Error> ask(redis::Call call) {
    if (!client_) return std::unexpected(options_.error());
    reply_.reset();
    const Micros deadline = steady_us() + timeout_;
    client_->call(++last_, std::move(call), deadline, steady_us());
    network_.end_turn();
    network_.run_until([this] { return reply_.has_value(); }, deadline + timeout_);
    if (!reply_) return std::unexpected(Error{"Redis did not answer"});
    return std::exchange(reply_, std::nullopt).value();
  }

  [[nodiscard]] std::vector<redis::Endpoint> masters() const { return client_->masters(); }

 private:
  void drive() {
    network_.drive(*client_, [this](Micros now) { client_->flush(now); });
  }
  void on_reply(std::uint64_t, const redis::Reply& reply, Micros) override { reply_ = reply; }
  void on_failure(std::uint64_t, const redis::Failure& failure, Micros) override {
    reply_ = std::unexpected(
        Error{fmt::format("Redis: {}: {}", to_string(failure.type), failure.message)});
  }
  void on_exchange(redis::Operation, Micros) override {}
  void on_error(redis::Operation, redis::ErrorType) override {}
  void on_ready(std::uint64_t, Micros) override {}
  void on_remark(std::string_view, std::string_view) override {}

  Micros timeout_;
  std::expected<redis::ClientOptions, Error> options_;
  PollNetwork network_{steady_us};
  std::optional<redis::Client> client_;
  std::uint64_t last_ = 0;
  std::optional<std::expected<redis::Reply, Error>> reply_;
};

redis::KeyNames names_of(const RateLimitConfig& config) {
  return {config.redis.key_prefix, config.name_space};
}

/// Decides one check. An error also where the keys hold what is nothing of ours.
std::expected<Cooldown, Error> ask_check(Asking& asking, redis::Call call,
                                         std::span<Verdict> verdicts) {
  const auto reply = asking.ask(std::move(call));
  if (!reply) return std::unexpected(reply.error());
  redis::CheckAnswer answer{.verdicts = verdicts, .cooldown = {}, .error = {}};
  if (const auto decoded = redis::CheckCodec::decode(*reply, {&answer, 1}); !decoded) {
    return std::unexpected(Error{"Redis: " + decoded.error().message});
  }
  if (!answer.error.empty()) return std::unexpected(Error{"Redis: " + answer.error});
  return answer.cooldown;
}

std::expected<std::size_t, Error> number_in(const std::expected<redis::Reply, Error>& reply) {
  if (!reply) return std::unexpected(reply.error());
  if (reply->kind != redis::Reply::Kind::integer || reply->integer < 0) {
    return std::unexpected(Error{"Redis: the reply is no number"});
  }
  return static_cast<std::size_t>(reply->integer);
}

redis::Call command(std::vector<std::string> words) {
  return {.operation = redis::Operation::reset,
          .slot = 0,
          .script = nullptr,
          .keys = 0,
          .arguments = std::move(words)};
}

/// Forgets what is found by one pattern at one server.
std::expected<std::size_t, Error> forget_all(Asking& asking, const std::string& pattern) {
  std::size_t forgotten = 0;
  std::string cursor = "0";
  do {
    const auto found = asking.ask(command({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}));
    if (!found) return std::unexpected(found.error());
    if (found->elements.size() != 2) return std::unexpected(Error{"Redis: SCAN answers otherwise"});
    cursor = found->elements[0].text;
    for (const redis::Reply& key : found->elements[1].elements) {
      const auto removed = number_in(asking.ask(redis::CheckCodec::forget({key.text})));
      if (!removed) return removed;
      forgotten += *removed;
    }
  } while (cursor != "0");
  return forgotten;
}

}  // namespace

std::expected<RedisPeek, Error> redis_peek(const Generation& generation, std::string_view client,
                                           std::string_view rule, std::string_view tier) {
  const Engine& engine = *generation.engine;
  const redis::CheckCodec codec(names_of(generation.config()));
  Asking asking(generation.loaded);
  RedisPeek peek;
  for (Engine::Look& look : engine.looks(client, rule, tier)) {
    if (look.asks()) {
      Verdict verdict;
      const Check check{.charges = {&look.charge, 1},
                        .enforced = 1,
                        .penalties = nullptr,
                        .client = look.charge.client};
      const auto asked = ask_check(asking, codec.encode({&check, 1}), {&verdict, 1});
      if (!asked) return std::unexpected(asked.error());
      look.tell(verdict.quota);
    }
    peek.windows.push_back(std::move(look.window));
  }
  if (const Penalties* const penalties = engine.policy().penalties(); penalties != nullptr) {
    const Check check{.charges = {},
                      .enforced = 0,
                      .penalties = penalties,
                      .client = siphash128(engine.policy().hash_key(), client)};
    const auto asked = ask_check(asking, codec.encode({&check, 1}), {});
    if (!asked) return std::unexpected(asked.error());
    if (asked->refused) peek.cooldown_us = asked->left_us;
  }
  return peek;
}

std::expected<std::size_t, Error> redis_reset(const Generation& generation, std::string_view client,
                                              std::string_view rule) {
  const Engine& engine = *generation.engine;
  const Hash128 hash = siphash128(engine.policy().hash_key(), client);
  const redis::KeyNames names = names_of(generation.config());
  std::vector<std::string> keys;
  for (const Counter* counter : engine.counters_of(client, rule)) {
    keys.push_back(names.count(hash, *counter));
    if (rule.empty()) keys.push_back(names.violation(hash, *counter));
  }
  if (rule.empty()) {
    keys.push_back(names.violations(hash));
    keys.push_back(names.cooldown(hash));
  }
  if (keys.empty()) return 0;
  Asking asking(generation.loaded);
  return number_in(asking.ask(redis::CheckCodec::forget(std::move(keys))));
}

std::expected<std::size_t, Error> redis_reset_rule(const Generation& generation,
                                                   std::string_view rule) {
  const Engine& engine = *generation.engine;
  const redis::KeyNames names = names_of(generation.config());
  Asking asking(generation.loaded);
  // Whoever answers knows the others.
  if (const auto pong = asking.ask(command({"PING"})); !pong) {
    return std::unexpected(pong.error());
  }
  std::size_t forgotten = 0;
  for (const redis::Endpoint& master : asking.masters()) {
    Asking one(asking, master);
    for (const Rule& candidate : engine.policy().rules()) {
      if (candidate.name != rule) continue;
      for (const Counter* counter : engine.policy().counters_of(candidate)) {
        const auto removed = forget_all(one, names.pattern(*counter));
        if (!removed) return removed;
        forgotten += *removed;
      }
    }
  }
  return forgotten;
}

struct RedisReplay::State {
  explicit State(const LoadedConfig& loaded)
      : asking(loaded),
        codec(redis::KeyNames(loaded.config.redis.key_prefix,
                              fmt::format("replay-{:016x}", random_number()))) {}

  Asking asking;
  redis::CheckCodec codec;
  std::set<std::string> keys;  ///< that may be there
};

RedisReplay::RedisReplay(const LoadedConfig& loaded) : state_(std::make_unique<State>(loaded)) {}

RedisReplay::~RedisReplay() {
  for (const std::string& key : state_->keys) {
    if (!state_->asking.ask(redis::CheckCodec::forget({key}))) return;  // they will expire
  }
}

std::expected<Cooldown, Error> RedisReplay::ask(const Check& check, Micros t_us,
                                                std::span<Verdict> verdicts) {
  redis::Call call = state_->codec.encode({&check, 1}, t_us);
  state_->keys.insert(call.arguments.begin(), call.arguments.begin() + call.keys);
  return ask_check(state_->asking, std::move(call), verdicts);
}

HashKey redis_hash_key(const LoadedConfig& loaded) {
  const auto secret = loaded.secrets.find(loaded.config.redis.hash_key_env);
  return secret == loaded.secrets.end() ? redis::kPublicHashKey
                                        : redis::hash_key_of(secret->second);
}

std::expected<std::vector<RedisKey>, Error> redis_keys(const LoadedConfig& loaded,
                                                       std::string_view client) {
  const auto policy = Policy::compile(loaded.config, redis_hash_key(loaded));
  if (!policy) return std::unexpected(policy.error());
  const redis::KeyNames names = names_of(loaded.config);
  const Hash128 hash = siphash128((*policy)->hash_key(), client);
  std::vector<RedisKey> keys;
  std::set<std::string> known;
  for (const Counter* counter : (*policy)->counters()) {
    const Rule& rule = (*policy)->rules()[counter->rule];
    if (rule.per == Per::address && !client.starts_with("ip:")) continue;
    const Hash128 whose = rule.per == Per::all ? Hash128{} : hash;
    keys.push_back({names.count(whose, *counter), rule.name, counter->window.limit});
    if ((*policy)->penalties() == nullptr || rule.shadow) continue;
    std::string mark = names.violation(hash, *counter);
    if (known.insert(mark).second) keys.push_back({std::move(mark), rule.name, 0});
  }
  if ((*policy)->penalties() != nullptr) {
    keys.push_back({names.violations(hash), "", 0});
    keys.push_back({names.cooldown(hash), "", 0});
  }
  return keys;
}

}  // namespace tidegate::posix
