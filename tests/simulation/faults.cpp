#include "tests/simulation/faults.hpp"

#include <algorithm>

namespace tidegate::simulation {
namespace {

constexpr Micros kMilli = 1'000;
constexpr Micros kSecond = 1'000'000;
constexpr Micros kHour = 3'600 * kSecond;

}  // namespace

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::slow_path:
      return "slow path";
    case Fault::cut_path:
      return "path cut";
    case Fault::cut_one_way:
      return "path cut one way";
    case Fault::reset:
      return "connection reset";
    case Fault::damaged_reply:
      return "damaged reply";
    case Fault::pause:
      return "server stopped for a while";
    case Fault::restart:
      return "server killed";
    case Fault::clock_jump:
      return "clock jump";
    case Fault::full_memory:
      return "full memory";
    case Fault::forgotten_scripts:
      return "scripts forgotten";
    case Fault::split:
      return "master split off";
    case Fault::lost_sentinel:
      return "sentinel killed";
    case Fault::moving_slot:
      return "slot moved";
    case Fault::dead_worker:
      return "worker killed";
    case Fault::reboot:
      return "host rebooted";
  }
  return "";
}

Micros Faults::plan(Micros first, Micros last, std::size_t faults) {
  Micros over = first;
  for (; faults > 0; --faults) {
    const auto fault = static_cast<Fault>(world_.below(kFaults));
    const bool needs_sentinels = fault == Fault::split || fault == Fault::lost_sentinel;
    if (needs_sentinels && cast_.sentinels == nullptr) continue;
    if (fault == Fault::moving_slot && cast_.cluster == nullptr) continue;
    const Micros at = world_.between(first, last);
    const Micros duration = world_.one_in(2) ? world_.between(kMilli, 300 * kMilli)
                                             : world_.between(300 * kMilli, 8 * kSecond);
    over = std::max(over, at + duration);
    world_.at(at, [this, fault, duration] { inject(fault, duration); });
  }
  return over;
}

Party Faults::any_server() {
  if (cast_.sentinels == nullptr || !world_.one_in(3)) return any_node().party();
  return world_.one_of(cast_.sentinels->all())->party();
}

void Faults::cut(Party a, Party b, bool both_ways, Micros duration) {
  fabric_.block(a, b);
  if (both_ways) fabric_.block(b, a);
  world_.after(duration, [this, a, b, both_ways] {
    fabric_.unblock(a, b);
    if (both_ways) fabric_.unblock(b, a);
  });
}

/// The master and perhaps a sentinel see nobody but the hosts.
void Faults::split(Micros duration) {
  std::vector<Party> inside{cast_.sentinels->latest().party()};
  if (!world_.one_in(3)) inside.push_back(world_.one_of(cast_.sentinels->all())->party());
  std::vector<Party> outside;
  for (const auto& node : cast_.nodes) outside.push_back(node->party());
  for (const auto& sentinel : cast_.sentinels->all()) outside.push_back(sentinel->party());
  for (const Party in : inside) std::erase(outside, in);
  for (const Party in : inside) {
    for (const Party out : outside) cut(in, out, true, duration);
  }
}

void Faults::inject(Fault fault, Micros duration) {
  ++counts_[static_cast<std::size_t>(fault)];
  world_.note(to_string(fault), duration);
  switch (fault) {
    case Fault::slow_path: {
      const Party host = any_host().party();
      const Party server = any_server();
      fabric_.set_delay(host, server, world_.between(kMilli, 300 * kMilli));
      world_.after(duration, [this, host, server] { fabric_.set_delay(host, server, 0); });
      return;
    }
    case Fault::cut_path:
      return cut(any_host().party(), any_server(), true, duration);
    case Fault::cut_one_way: {
      const Party host = any_host().party();
      const Party server = any_server();
      return world_.one_in(2) ? cut(host, server, false, duration)
                              : cut(server, host, false, duration);
    }
    case Fault::reset:
      return fabric_.reset(fabric_.any_connection());
    case Fault::damaged_reply:
      return fabric_.damage_next(fabric_.any_connection(),
                                 static_cast<Fabric::Damage>(world_.below(4)));
    case Fault::pause: {
      RedisNode& node = any_node();
      node.pause();
      world_.after(duration, [&node] { node.resume(); });
      return;
    }
    case Fault::restart: {
      RedisNode& node = any_node();
      node.kill();
      const Micros loading = world_.one_in(2) ? 0 : world_.below(2 * kSecond);
      world_.after(duration, [&node, loading] { node.start(loading); });
      return;
    }
    case Fault::clock_jump: {
      const Micros by = world_.one_in(2) ? world_.between(1, kSecond) : world_.between(1, kHour);
      const bool back = world_.one_in(2);
      jumped_ += by;
      jumped_back_ = jumped_back_ || back;
      return any_node().jump(back ? -static_cast<std::int64_t>(by) : static_cast<std::int64_t>(by));
    }
    case Fault::full_memory: {
      RedisNode& node = any_node();
      node.set_full(true);
      world_.after(duration, [&node] { node.set_full(false); });
      return;
    }
    case Fault::forgotten_scripts:
      return any_node().flush_scripts();
    case Fault::split:
      return split(duration);
    case Fault::lost_sentinel: {
      Sentinel& sentinel = *world_.one_of(cast_.sentinels->all());
      sentinel.alive = false;
      fabric_.reset_all_of(sentinel);
      world_.after(duration, [&sentinel] { sentinel.alive = true; });
      return;
    }
    case Fault::moving_slot:
      return cast_.cluster->move(world_.one_of(cast_.slots));
    case Fault::dead_worker: {
      Host& host = any_host();
      return host.replace_worker(world_.below(host.workers().size()));
    }
    case Fault::reboot:
      return any_host().reboot();
  }
}

}  // namespace tidegate::simulation
