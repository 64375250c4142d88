// What one decision costs Redis, in processor time of the server: our script, with batches as a
// server sends them, against the two scripts that are usually written.
#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "bench/redis_checks.hpp"
#include "tests/redis/redis_server.hpp"

namespace tidegate::bench {
namespace {

using redis::RedisServer;
using Words = std::vector<std::string>;

constexpr std::size_t kDecisions = 64'000;
constexpr std::size_t kPipeline = 64;  ///< calls on their way at once
constexpr int kRounds = 5;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail("no such file: " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

double cpu_us(const RedisServer& server) {
  const std::string info = server.command({"INFO", "cpu"})->str;
  double sum = 0;
  for (const char* name : {"used_cpu_sys:", "used_cpu_user:"}) {
    sum += std::stod(info.substr(info.find(name) + std::string_view(name).size()));
  }
  return sum * 1e6;
}

/// One way to decide: the words of a call for clients from the n-th on, and how many it decides.
struct Way {
  std::string name;
  std::string script;
  std::size_t batch = 1;
  std::function<Words(std::size_t first)> call;
};

/// Microseconds of the server's processor time for one decision.
double cost_us(const RedisServer& server, redisContext& connection, const Way& way) {
  const auto sha = RedisServer::command(connection, {"SCRIPT", "LOAD", way.script});
  if (sha->type != REDIS_REPLY_STRING) fail(way.name + ": " + sha->str);
  const double before = cpu_us(server);
  const std::size_t calls = kDecisions / way.batch;
  for (std::size_t sent = 0; sent < calls; sent += kPipeline) {
    for (std::size_t i = sent; i < sent + kPipeline; ++i) {
      Words words = way.call(i * way.batch);
      words.insert(words.begin(), {"EVALSHA", sha->str});
      std::vector<const char*> texts;
      std::vector<std::size_t> sizes;
      for (const std::string& word : words) {
        texts.push_back(word.data());
        sizes.push_back(word.size());
      }
      ::redisAppendCommandArgv(&connection, static_cast<int>(words.size()), texts.data(),
                               sizes.data());
    }
    for (std::size_t i = 0; i < kPipeline; ++i) {
      void* reply = nullptr;
      if (::redisGetReply(&connection, &reply) != REDIS_OK) fail("the connection was lost");
      const redis::RawReply owned(static_cast<redisReply*>(reply));
      if (owned->type == REDIS_REPLY_ERROR) fail(way.name + ": " + owned->str);
    }
  }
  return (cpu_us(server) - before) / static_cast<double>(kDecisions);
}

/// Of `batch` clients, each with these windows.
Way ours(std::string name, std::size_t batch, std::vector<Counter> counters) {
  const auto kept = std::make_shared<std::vector<Counter>>(std::move(counters));
  return {std::move(name), call_of(0, batch, *kept).script->text, batch,
          [batch, kept](std::size_t first) {
            const redis::Call call = call_of(first, batch, *kept);
            Words words{std::to_string(call.keys)};
            words.insert(words.end(), call.arguments.begin(), call.arguments.end());
            return words;
          }};
}

std::string key_of(std::size_t client) { return fmt::format("peer:{}", client % kClients); }

void measure_scripts(const std::string& peers) {
  using namespace std::chrono_literals;
  const auto now_us = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const Counter bucket = counter_of(Algorithm::token_bucket, 60s);
  const Counter hour = counter_of(Algorithm::token_bucket, 3600s);
  const Counter counted = counter_of(Algorithm::sliding_window_counter, 60s);
  const Counter logged = counter_of(Algorithm::sliding_window, 60s);
  std::vector<Way> ways{
      {"peer, token bucket in a hash", text_of(peers + "/hash_token_bucket.lua"), 1,
       [&](std::size_t i) {
         return Words{"1",
                      key_of(i),
                      "1.6666666",
                      "100",
                      fmt::format("{:.6f}", static_cast<double>(now_us()) / 1e6),
                      "1"};
       }},
      {"peer, window in a sorted set", text_of(peers + "/zset_window.lua"), 1, [&](std::size_t i) {
         return Words{
             "1", key_of(i), "100", "60000000", std::to_string(now_us()), std::to_string(i)};
       }}};
  for (const std::size_t batch : {1U, 8U, 32U}) {
    ways.push_back(ours(fmt::format("token_bucket, batches of {}", batch), batch, {bucket}));
  }
  ways.push_back(ours("token_bucket, two windows, batches of 32", 32, {bucket, hour}));
  for (const std::size_t batch : {1U, 32U}) {
    ways.push_back(
        ours(fmt::format("sliding_window_counter, batches of {}", batch), batch, {counted}));
    ways.push_back(ours(fmt::format("sliding_window, batches of {}", batch), batch, {logged}));
  }

  const RedisServer server;
  const auto connection = server.connect();
  std::vector<std::vector<double>> costs(ways.size());
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < ways.size(); ++i) {
      server.command({"FLUSHALL"});
      costs[i].push_back(cost_us(server, *connection, ways[i]));
    }
  }
  for (std::size_t i = 0; i < ways.size(); ++i) {
    fmt::print(R"({{"way":"{}","cpu_us":{:.3f}}})"
               "\n",
               ways[i].name, median(costs[i]));
  }
}

}  // namespace
}  // namespace tidegate::bench

int main(int count, char** arguments) {
  tidegate::bench::measure_scripts(count > 1 ? arguments[1] : "bench/peers");
}
