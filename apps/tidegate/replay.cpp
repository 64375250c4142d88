#include "engine/replay.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <optional>
#include <span>
#include <string>

#include "adapters/posix/redis_operator.hpp"
#include "apps/tidegate/commands.hpp"

namespace tidegate::command {

int replay(const ConfigPath& config, const std::string& backend) {
  const bool in_redis = backend == "redis";
  const auto loaded = load_or_complain(config);
  if (!loaded) return kNo;
  if (in_redis && loaded->config.backend != BackendKind::redis) {
    fmt::print(stderr, "--backend redis: the configuration names no Redis (redis.url)\n");
    return kUsage;
  }
  std::optional<posix::RedisReplay> redis;
  if (in_redis) redis.emplace(*loaded);
  auto replay =
      in_redis
          ? Replay::create(*loaded,
                           [&redis](const Check& check, Micros t_us, std::span<Verdict> verdicts) {
                             return redis->ask(check, t_us, verdicts);
                           })
          : Replay::create(*loaded);
  if (!replay) {
    fmt::print(stderr, "{}\n", replay.error().message);
    return kNo;
  }

  std::ios::sync_with_stdio(false);
  std::string line;
  std::string out;
  while (std::getline(std::cin, line)) {
    out.clear();
    replay->line(line, out);
    if (!replay->error().empty()) {
      std::cout.flush();
      fmt::print(stderr, "{}\n", replay->error());
      return kNo;
    }
    std::cout << out;
  }
  std::cout.flush();
  if (!std::cout) {
    fmt::print(stderr, "the decisions could not be written\n");
    return kNo;
  }
  return kFine;
}

}  // namespace tidegate::command
