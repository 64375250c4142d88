#include "tests/simulation/redis_node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "store/redis/client.hpp"

namespace tidegate::simulation {
namespace {

constexpr Micros kBetweenAcknowledgements = 500'000;
constexpr Micros kSynchronisation = 200'000;

}  // namespace

redis::Endpoint RedisNode::endpoint_of(Party party) {
  return {.host = fmt::format("10.0.0.{}", party),
          .port = static_cast<std::uint16_t>(party),
          .path = {}};
}

RedisNode::RedisNode(World& world, Fabric& fabric, Witness& witness, Party party,
                     const Options& options)
    : world_(world), fabric_(fabric), witness_(witness), party_(party), options_(options) {
  fabric_.add(party, *this);
  tend_replication();
}

void RedisNode::lead(std::uint64_t epoch) {
  world_.note("leads", party_, epoch);
  if (master_ != nullptr) std::erase(master_->replicas_, this);
  replaces_ = std::exchange(master_, nullptr);
  epoch_ = epoch;
  ++era_;
}

void RedisNode::follow(RedisNode& master) {
  world_.note("follows", party_, master.party_);
  if (master_ != nullptr) std::erase(master_->replicas_, this);
  for (RedisNode* const replica : replicas_) replica->in_step_ = false;
  master_ = &master;
  master.replicas_.push_back(this);
  in_step_ = false;
}

void RedisNode::kill() {
  world_.note("killed", party_);
  alive_ = false;
  paused_ = false;
  inbox_.clear();
  readers_.clear();
  scripts_.clear();
  in_step_ = false;
  fabric_.reset_all_of(*this);
}

void RedisNode::start(Micros loading) {
  if (alive_) return;
  world_.note("started", party_, loading);
  alive_ = true;
  loading_until_ = world_.now() + loading;
  if (options_.keeps_data) return;
  data_.clear();
  ++era_;
}

void RedisNode::resume() {
  if (!paused_) return;
  world_.note("resumed", party_);
  paused_ = false;
  for (const auto& [connection, bytes] : std::exchange(inbox_, {})) take(connection, bytes);
}

void RedisNode::jump(std::int64_t by) {
  world_.note("clock jumps", party_, static_cast<std::uint64_t>(by));
  options_.skew += by;
  if (by > 0) ++era_;  // what would have come back by then comes back
}

void RedisNode::on_connected(ConnectionId connection) { readers_.try_emplace(connection); }

void RedisNode::on_bytes(ConnectionId connection, std::string_view bytes) {
  if (paused_) {
    inbox_.emplace_back(connection, bytes);
  } else {
    take(connection, bytes);
  }
}

void RedisNode::on_closed(ConnectionId connection, bool) {
  // What arrived before it is executed all the same.
  if (!paused_) readers_.erase(connection);
}

void RedisNode::take(ConnectionId connection, std::string_view bytes) {
  const auto reader = readers_.find(connection);
  if (reader == readers_.end()) return;
  reader->second.feed(bytes);
  std::string replies;
  for (;;) {
    const auto command = reader->second.next();
    if (!command) throw std::logic_error("the client sends no RESP: " + command.error());
    if (!*command) break;
    std::vector<std::string> words;
    for (const redis::Reply& word : (*command)->elements) words.push_back(word.text);
    const bool asking = asking_.erase(connection) != 0;
    if (words.at(0) == "ASKING") asking_.insert(connection);
    replies += execute(words, asking);
  }
  if (!replies.empty()) fabric_.send(connection, false, replies);
}

std::string RedisNode::execute(const std::vector<std::string>& words, bool asking) {
  const std::string& name = words.at(0);
  if (name == "ROLE") {
    if (is_master()) {
      return array_reply({text_reply("master"), integer_reply(0), array_reply({})});
    }
    return array_reply({text_reply("slave"), text_reply(master_->endpoint().host),
                        integer_reply(master_->endpoint().port), text_reply("connected"),
                        integer_reply(0)});
  }
  if (loads()) {
    return error_reply("LOADING Redis is loading the dataset in memory");
  }
  if (name == "PING") return status_reply("PONG");
  if (name == "CONFIG") {
    return array_reply({text_reply("min-replicas-to-write"),
                        text_reply(std::to_string(options_.wanted_replicas))});
  }
  if (name == "ASKING") return status_reply("OK");
  if (name == "CLUSTER" && cluster_ != nullptr) return cluster_->slots_reply(*this);
  if (name == "EVAL" || name == "EVALSHA") return execute_script(words, asking);
  return error_reply("ERR unknown command");
}

std::string RedisNode::execute_script(const std::vector<std::string>& words, bool asking) {
  const std::size_t keys = std::stoul(words.at(2));
  const std::vector<std::string> arguments(words.begin() + 3, words.end());
  if (cluster_ != nullptr) {
    const std::vector<std::string> named(arguments.begin(),
                                         arguments.begin() + static_cast<std::ptrdiff_t>(keys));
    if (const std::string refusal = cluster_->refusal(*this, named, asking); !refusal.empty()) {
      world_.note("refuses", party_, 0, refusal);
      return error_reply(refusal);
    }
  }
  const std::string sha1 = words[0] == "EVAL" ? redis::make_script(words.at(1)).sha1 : words.at(1);
  if (words[0] == "EVAL") scripts_.insert(sha1);
  if (!scripts_.contains(sha1)) return error_reply("NOSCRIPT No matching script. Please use EVAL.");
  const auto executed = execute_checks(sha1, arguments, keys, clock(), why_no_writes(), data_);
  if (!executed) {
    world_.note("refuses", party_, 0, executed.error());
    return error_reply(executed.error());
  }
  for (const Decided& decided : executed->decided) {
    world_.note(decided.admitted ? "admits" : "denies", party_, decided.cost, decided.key);
    witness_.on_executed(
        cluster_ == nullptr ? Count(party_, era_) : cluster_->count_of(*this, decided.key),
        decided);
  }
  for (const std::string& key : executed->written) replicate(key);
  return executed->reply;
}

std::string RedisNode::why_no_writes() const {
  if (!is_master()) return "READONLY You can't write against a read only replica.";
  if (full_) return "OOM command not allowed when used memory > 'maxmemory'.";
  const auto good = std::ranges::count_if(heard_of_, [this](const auto& heard) {
    return heard.first->master_ == this && heard.second + kMaxLag >= world_.now();
  });
  if (good < options_.wanted_replicas) return "NOREPLICAS Not enough good replicas to write.";
  return "";
}

bool RedisNode::reaches(const RedisNode& other) const {
  return serves() && other.serves() && fabric_.open_both_ways(party_, other.party_);
}

bool RedisNode::hand_over(redis::Slot slot, RedisNode& to) {
  const auto found = std::ranges::find_if(
      data_, [slot](const auto& each) { return redis::slot_of(each.first) == slot; });
  if (found == data_.end()) return false;
  const std::string key = found->first;
  world_.note("hands over", party_, to.party_, key);
  to.data_[key] = found->second;
  to.replicate(key);
  for (RedisNode* const replica : replicas_) {
    if (replica->in_step_) replica->data_.erase(key);
  }
  data_.erase(found);
  return true;
}

void RedisNode::replicate(const std::string& key) {
  for (RedisNode* const replica : replicas_) {
    if (!replica->in_step_) continue;
    const Micros at = std::max(replica->applied_until_, world_.now() + world_.below(options_.lag));
    replica->applied_until_ = at;
    const Value value = data_.at(key);
    world_.at(at, [this, replica, stream = replica->stream_, key, value] {
      if (replica->master_ != this || replica->stream_ != stream || !replica->in_step_) return;
      if (!reaches(*replica)) {
        replica->in_step_ = false;
        return;
      }
      replica->data_[key] = value;
    });
  }
}

/// A replica says that it is there, and catches up if it has fallen out of step.
void RedisNode::tend_replication() {
  world_.after(kBetweenAcknowledgements, [this] { tend_replication(); });
  if (master_ == nullptr || !reaches(*master_)) return;
  master_->heard_of_[this] = world_.now();
  if (!in_step_) synchronise();
}

void RedisNode::synchronise() {
  in_step_ = true;
  const std::uint64_t stream = ++stream_;
  applied_until_ = world_.now() + world_.below(kSynchronisation);
  // It is what the master held when it began, and what is written later follows.
  world_.at(applied_until_, [this, stream, from = master_, copy = master_->data_] {
    if (stream != stream_ || master_ != from) return;
    data_ = copy;
  });
}

}  // namespace tidegate::simulation
