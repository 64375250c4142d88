#include "tests/simulation/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tidegate::simulation {
namespace {

constexpr std::size_t kSlots = 16'384;
constexpr Micros kTick = 100'000;
constexpr Micros kElection = 500'000;
constexpr Micros kBetweenKeys = 20'000;

std::string redirection(std::string_view how, redis::Slot slot, const RedisNode& to) {
  return fmt::format("{} {} {}:{}", how, slot, to.endpoint().host, to.endpoint().port);
}

}  // namespace

Cluster::Cluster(World& world, std::vector<std::unique_ptr<RedisNode>>& nodes)
    : world_(world), nodes_(nodes) {
  std::vector<RedisNode*> owners(kSlots);
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    owners[slot] = nodes_[slot * kMasters / kSlots].get();
  }
  publish(*nodes_[0], std::move(owners));
  for (const auto& node : nodes_) {
    maps_[node.get()] = newest_;
    node->join(*this);
  }
  tick();
}

std::string Cluster::refusal(const RedisNode& node, const std::vector<std::string>& keys,
                             bool asking) const {
  const redis::Slot slot = redis::slot_of(keys.at(0));
  const std::vector<RedisNode*>& all = newest_->masters;
  const auto unheard = [&](const RedisNode* owner) { return misses(node, *owner); };
  const bool cut_off = 2 * std::ranges::count_if(all, unheard) > static_cast<long>(all.size());
  const bool uncovered = std::ranges::any_of(
      all, [&](const RedisNode* owner) { return 2 * missed_by(*owner) > all.size(); });
  if (cut_off || uncovered) return "CLUSTERDOWN The cluster is down";
  const auto here = static_cast<std::size_t>(
      std::ranges::count_if(keys, [&](const std::string& key) { return node.holds(key); }));
  const auto moving = moving_.find(slot);
  const RedisNode& owner = *map_of(node).owners[slot];
  if (&owner != &node) {
    const bool imports = moving != moving_.end() && moving->second.to == &node;
    if (!imports || !asking) return redirection("MOVED", slot, owner);
    const bool some = keys.size() > 1 && here != 0 && here != keys.size();
    return some ? "TRYAGAIN Multiple keys request during rehashing of slot" : "";
  }
  if (moving == moving_.end() || moving->second.from != &node || here == keys.size()) return "";
  if (here != 0) return "TRYAGAIN Multiple keys request during rehashing of slot";
  return redirection("ASK", slot, *moving->second.to);
}

std::string Cluster::slots_reply(const RedisNode& node) const {
  const std::vector<RedisNode*>& owners = map_of(node).owners;
  std::vector<std::string> ranges;
  for (std::size_t first = 0; first < kSlots;) {
    std::size_t end = first + 1;
    while (end < kSlots && owners[end] == owners[first]) ++end;
    const redis::Endpoint endpoint = owners[first]->endpoint();
    ranges.push_back(
        array_reply({integer_reply(first), integer_reply(end - 1),
                     array_reply({text_reply(endpoint.host), integer_reply(endpoint.port)})}));
    first = end;
  }
  return array_reply(ranges);
}

Count Cluster::count_of(const RedisNode& node, std::string_view key) {
  notice_losses(node);
  const redis::Slot slot = redis::slot_of(key);
  const auto moving = moving_.find(slot);
  const bool imports = moving != moving_.end() && moving->second.to == &node;
  // A master that others have replaced counts for itself, until it hears of it.
  if (newest_->owners[slot] != &node && !imports) return {node.party(), node.era()};
  return {0, std::uint64_t{lines_[slot]} * kSlots + slot};
}

void Cluster::move(redis::Slot slot) {
  RedisNode* const from = newest_->owners[slot];
  std::vector<RedisNode*> targets;
  for (RedisNode* const master : newest_->masters) {
    if (master->is_master() && master != from) targets.push_back(master);
  }
  if (targets.empty() || moving_.contains(slot)) return;
  moving_[slot] = {.from = from, .to = world_.one_of(targets)};
  world_.note("slot moves", slot, moving_[slot].to->party());
  step(slot);
}

void Cluster::step(redis::Slot slot) {
  const auto found = moving_.find(slot);
  if (found == moving_.end()) return;
  const auto [from, to] = found->second;
  if (newest_->owners[slot] != from || !to->is_master()) {  // a failover came between
    ++lines_[slot];                                         // what had moved is lost
    moving_.erase(found);
    return;
  }
  world_.after(1 + world_.below(kBetweenKeys), [this, slot] { step(slot); });
  if (!from->reaches(*to) || from->loads() || to->loads()) return;
  notice_losses(*from);
  if (from->hand_over(slot, *to)) {
    // A clock that is ahead gives what would have come back by then.
    if (to->clock() > from->clock()) ++lines_[slot];
    return;
  }
  moving_.erase(found);
  std::vector<RedisNode*> owners = newest_->owners;
  owners[slot] = to;
  world_.note("slot moved", slot, to->party());
  publish(*to, owners);
  maps_[from] = maps_[to];
}

void Cluster::publish(RedisNode& by, std::vector<RedisNode*> owners) {
  Map map{
      .version = newest_ ? newest_->version + 1 : 1, .owners = std::move(owners), .masters = {}};
  for (const auto& node : nodes_) {
    const auto owned = std::ranges::find(map.owners, node.get());
    if (owned != map.owners.end()) map.masters.push_back(node.get());
  }
  newest_ = std::make_shared<const Map>(std::move(map));
  maps_[&by] = newest_;
}

bool Cluster::misses(const RedisNode& a, const RedisNode& b) const {
  const auto found = missed_since_.find({a.party(), b.party()});
  return found != missed_since_.end() && found->second + kNodeTimeout <= world_.now();
}

std::size_t Cluster::missed_by(const RedisNode& node) const {
  const std::vector<RedisNode*>& all = newest_->masters;
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [&](const RedisNode* owner) { return owner != &node && misses(*owner, node); }));
}

void Cluster::tick() {
  world_.after(kTick, [this] { tick(); });
  hear();
  elect();
}

/// What a server has forgotten its slots have lost.
void Cluster::notice_losses(const RedisNode& node) {
  if (std::exchange(eras_[&node], node.era()) == node.era()) return;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (newest_->owners[slot] == &node) ++lines_[static_cast<redis::Slot>(slot)];
  }
  for (const auto& [slot, moving] : moving_) {
    if (moving.to == &node) ++lines_[slot];
  }
}

/// Who hears whom, and what is new.
void Cluster::hear() {
  for (const auto& a : nodes_) {
    notice_losses(*a);
    for (const auto& b : nodes_) {
      if (a == b) continue;
      if (!a->reaches(*b)) {
        missed_since_.try_emplace({a->party(), b->party()}, world_.now());
        continue;
      }
      missed_since_.erase({a->party(), b->party()});
      if (map_of(*b).version > map_of(*a).version) maps_[a.get()] = maps_[b.get()];
    }
    const Map& map = map_of(*a);
    const bool owns = std::ranges::find(map.masters, a.get()) != map.masters.end();
    if (owns || !a->is_master() || map.version == 1) continue;
    // Replaced: it follows who has taken its slots.
    for (const auto& b : nodes_) {
      if (b->replaces() == a.get() && b->is_master()) a->follow(*b);
    }
  }
}

void Cluster::elect() {
  if (electing_) return;
  const std::vector<RedisNode*>& all = newest_->masters;
  for (const auto& replica : nodes_) {
    RedisNode* const master = replica->master();
    if (std::ranges::find(all, master) == all.end() || !replica->serves()) continue;
    const auto votes = std::ranges::count_if(all, [&](const RedisNode* owner) {
      return owner != master && owner->serves() && misses(*owner, *master) &&
             replica->reaches(*owner);
    });
    if (2 * votes <= static_cast<long>(all.size()) || !misses(*replica, *master)) continue;
    electing_ = true;
    world_.after(world_.below(kElection), [this, candidate = replica.get(), master] {
      electing_ = false;
      if (candidate->master() == master && misses(*candidate, *master)) {
        take_over(*candidate, *master);
      }
    });
    return;
  }
}

void Cluster::take_over(RedisNode& replica, const RedisNode& master) {
  ++elections_;
  std::vector<RedisNode*> owners = newest_->owners;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (owners[slot] == &master) owners[slot] = &replica;
  }
  replica.lead(newest_->version + 1);
  publish(replica, std::move(owners));
}

bool Cluster::agrees() const {
  const bool heard =
      std::ranges::all_of(maps_, [&](const auto& each) { return each.second == newest_; });
  return heard && moving_.empty() && !electing_ && missed_since_.empty() &&
         std::ranges::all_of(newest_->masters, [](const RedisNode* owner) {
           return owner->serves() && owner->is_master() && !owner->loads() &&
                  owner->why_no_writes().empty();
         });
}

}  // namespace tidegate::simulation
