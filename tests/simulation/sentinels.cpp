#include "tests/simulation/sentinels.hpp"

#include <algorithm>
#include <utility>

namespace tidegate::simulation {
namespace {

constexpr Micros kTick = 100'000;

}  // namespace

void Sentinel::on_bytes(ConnectionId connection, std::string_view bytes) {
  const auto reader = readers_.find(connection);
  if (reader == readers_.end()) return;
  reader->second.feed(bytes);
  std::string replies;
  while (const auto command = reader->second.next().value()) {
    std::vector<std::string> words;
    for (const redis::Reply& word : command->elements) words.push_back(word.text);
    replies += execute(words);
  }
  if (!replies.empty()) fabric_.send(connection, false, replies);
}

std::string Sentinel::execute(const std::vector<std::string>& words) const {
  if (words.at(0) == "PING") return status_reply("PONG");
  const std::string& what = words.at(1);
  if (what == "get-master-addr-by-name") {
    const redis::Endpoint endpoint = master->endpoint();
    return array_reply({text_reply(endpoint.host), text_reply(std::to_string(endpoint.port))});
  }
  if (what == "sentinels") return array_reply({});
  return array_reply({text_reply("name"), text_reply(words.at(2)), text_reply("config-epoch"),
                      text_reply(std::to_string(epoch))});
}

Sentinels::Sentinels(World& world, Fabric& fabric, std::vector<std::unique_ptr<RedisNode>>& nodes,
                     const std::vector<Party>& parties, const Options& options)
    : world_(world), fabric_(fabric), nodes_(nodes), options_(options) {
  for (const Party party : parties) {
    sentinels_.push_back(std::make_unique<Sentinel>(fabric, party));
    sentinels_.back()->master = nodes_.front().get();
  }
  tick();
}

RedisNode& Sentinels::latest() const {
  const auto knows_most = std::ranges::max_element(
      sentinels_, {}, [](const auto& sentinel) { return sentinel->epoch; });
  return *(*knows_most)->master;
}

bool Sentinels::agree() const {
  const RedisNode& master = latest();
  const bool known = std::ranges::all_of(sentinels_, [&](const auto& sentinel) {
    return sentinel->alive && sentinel->master == &master && sentinel->missed_since == 0;
  });
  const bool alone = std::ranges::all_of(
      nodes_, [&](const auto& node) { return node->is_master() == (node.get() == &master); });
  return known && alone && !electing_ && master.serves();
}

void Sentinels::tick() {
  world_.after(kTick, [this] { tick(); });
  for (const auto& sentinel : sentinels_) watch(*sentinel);
  consider_election();
  for (const auto& sentinel : sentinels_) correct(*sentinel);
}

void Sentinels::watch(Sentinel& sentinel) {
  if (!sentinel.alive) return;
  for (const auto& other : sentinels_) {
    if (other->alive && other->epoch > sentinel.epoch &&
        fabric_.open_both_ways(sentinel.party(), other->party())) {
      sentinel.epoch = other->epoch;
      sentinel.master = other->master;
      world_.note("sentinel hears", sentinel.party(), sentinel.epoch);
    }
  }
  if (reaches(sentinel, *sentinel.master)) {
    sentinel.missed_since = 0;
  } else if (sentinel.missed_since == 0) {
    sentinel.missed_since = world_.now();
  }
}

void Sentinels::consider_election() {
  if (electing_) return;
  for (const auto& leader : sentinels_) {
    if (!leader->alive) continue;
    std::vector<Sentinel*> voters;
    for (const auto& other : sentinels_) {
      const bool heard = other == leader || fabric_.open_both_ways(leader->party(), other->party());
      const bool misses =
          other->missed_since != 0 && world_.now() - other->missed_since >= options_.down_after;
      if (other->alive && heard && misses && other->epoch == leader->epoch) {
        voters.push_back(other.get());
      }
    }
    if (2 * voters.size() <= sentinels_.size()) continue;
    electing_ = true;
    world_.after(world_.below(options_.election), [this, voters] { elect(voters); });
    return;
  }
}

void Sentinels::elect(const std::vector<Sentinel*>& voters) {
  electing_ = false;
  const Sentinel& leader = *voters.front();
  if (!leader.alive || leader.missed_since == 0) return;
  std::vector<RedisNode*> candidates;
  for (const auto& node : nodes_) {
    if (node.get() != leader.master && !node->is_master() && reaches(leader, *node)) {
      candidates.push_back(node.get());
    }
  }
  if (candidates.empty()) return;
  RedisNode& elected = *world_.one_of(candidates);
  const std::uint64_t epoch = leader.epoch + 1;
  ++elections_;
  elected.lead(epoch);
  for (Sentinel* const voter : voters) {
    voter->master = &elected;
    voter->epoch = epoch;
    voter->missed_since = 0;
  }
}

/// Has those follow the master who do not.
void Sentinels::correct(const Sentinel& sentinel) {
  if (!sentinel.alive || sentinel.missed_since != 0) return;
  for (const auto& node : nodes_) {
    if (node.get() == sentinel.master || !reaches(sentinel, *node)) continue;
    if (node->follows(*sentinel.master) || node->epoch() > sentinel.epoch) continue;
    const auto [due, news] =
        demoted_at_.try_emplace(node.get(), world_.now() + world_.below(options_.mercy));
    if (due->second > world_.now()) continue;
    demoted_at_.erase(due);
    node->follow(*sentinel.master);
    if (world_.one_in(2)) node->drop_clients();
  }
}

}  // namespace tidegate::simulation
