// Runs each hot path under Callgrind, always with the same keys, times and numbers. Prints which
// compiler it was built by.
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "identity/test_headers.hpp"
#include "identity/test_tokens.hpp"
#include "observe/counters.hpp"
#include "policy/path.hpp"
#include "render/test_decisions.hpp"
#include "store/memory/test_store.hpp"
#include "tests/instructions/measure.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kBatch = 16;
/// More than is asked for, so that all is admitted.
constexpr std::uint64_t kPlenty = 10'000;

constexpr std::array kAlgorithms{
    std::pair{Algorithm::token_bucket, "token_bucket"},
    std::pair{Algorithm::fixed_window, "fixed_window"},
    std::pair{Algorithm::sliding_window_counter, "sliding_window_counter"},
    std::pair{Algorithm::sliding_window, "sliding_window"},
};

std::string named(std::string_view path, std::string_view what) {
  return std::string(path) + "." + std::string(what);
}

/// One charge each, hash given. Clients come back in turn, so that all keys are of use.
void measure_decisions() {
  constexpr std::uint64_t kClients = 100;
  for (const auto& [algorithm, name] : kAlgorithms) {
    // A ring is far larger than an entry.
    const std::uint64_t clients = algorithm == Algorithm::sliding_window ? 4 : kClients;
    const StoreGeometry geometry{.capacity = 1'000, .log_slots = 200'000};
    const TestStore roomy({{algorithm, kPlenty, 60s}}, geometry);
    for (std::uint64_t i = 0; i < clients; ++i) roomy.admits(i, kNoon);
    const auto charges = [&](const TestStore& store) {
      std::vector<Charge> all;
      for (std::uint64_t i = 0; i < clients; ++i) all.push_back(store.charge(i));
      return all;
    };
    const auto ask = [&](const TestStore& store, const std::vector<Charge>& all, std::uint64_t i) {
      Verdict verdict;
      store.store->apply({&all[i % clients], 1}, kNoon, {&verdict, 1});
      return verdict.admitted;
    };
    const std::vector<Charge> some = charges(roomy);
    measure(named("store.hit", name).c_str(), [&](std::uint64_t i) { return ask(roomy, some, i); });

    const TestStore narrow({{algorithm, 1, 60s}}, geometry);
    for (std::uint64_t i = 0; i < clients; ++i) narrow.admits(i, kNoon);
    const std::vector<Charge> spent = charges(narrow);
    measure(named("store.denied", name).c_str(),
            [&](std::uint64_t i) { return !ask(narrow, spent, i); });
  }
}

/// Groups of one charge for each counter of the store, handed in by the batch.
void measure_batches(const char* name, const std::vector<TestStore::Rule>& rules) {
  const TestStore store(rules);
  std::vector<Charge> charges;
  std::vector<std::uint32_t> ends;
  for (std::uint64_t client = 0; client < kBatch; ++client) {
    for (std::size_t i = 0; i < rules.size(); ++i) charges.push_back(store.charge(client, 1, i));
    ends.push_back(static_cast<std::uint32_t>(charges.size()));
  }
  std::vector<Verdict> verdicts(charges.size());
  const auto apply = [&](std::uint64_t) {
    store.store->apply(charges, ends, kNoon, verdicts);
    return verdicts.front().admitted && verdicts.back().admitted;
  };
  apply(0);  // inserts the clients
  measure(name, apply);
}

void measure_groups() {
  const std::vector<TestStore::Rule> one{{Algorithm::sliding_window_counter, kPlenty, 60s}};
  const std::vector<TestStore::Rule> two{{Algorithm::sliding_window_counter, kPlenty, 60s},
                                         {Algorithm::sliding_window_counter, kPlenty, 3600s}};
  measure_batches("store.batch_of_16", one);
  measure_batches("store.batch_of_16_groups_of_2", two);

  const TestStore store(two);
  const std::array group{store.charge(1, 1, 0), store.charge(1, 1, 1)};
  std::array<Verdict, 2> verdicts;
  const auto apply = [&](std::uint64_t) {
    store.store->apply(group, kNoon, verdicts);
    return verdicts[0].admitted && verdicts[1].admitted;
  };
  apply(0);
  measure("store.group_of_2", apply);
}

void measure_newcomers() {
  const auto newcomers = [](const char* name, const TestStore& store) {
    std::vector<Charge> charges;
    for (std::uint64_t i = 0; i < kOperations; ++i) charges.push_back(store.charge(1'000'000 + i));
    measure(name, [&](std::uint64_t i) {
      Verdict verdict;
      store.store->apply({&charges[i], 1}, kNoon, {&verdict, 1});
      return verdict.admitted;
    });
  };
  const std::vector<TestStore::Rule> rule{{Algorithm::sliding_window_counter, kPlenty, 60s}};
  newcomers("store.newcomer", TestStore(rule, {.capacity = 10 * kOperations, .log_slots = 0}));

  // So many clients for so few slots that none is left.
  const TestStore full(rule, {.capacity = 1, .log_slots = 0});
  for (std::uint64_t i = 0; i < 1'000; ++i) full.admits(i, kNoon);
  const std::uint64_t before = full.store->stats(kNoon).overflow;
  newcomers("store.overflow", full);
  require(full.store->stats(kNoon).overflow == before + kOperations, "store.overflow");
}

void measure_hash() {
  constexpr std::string_view kKey = "ip:client-0001234567";
  static_assert(kKey.size() == 20);
  measure("hash.20_bytes", [&](std::uint64_t i) { return siphash128({i, 2}, kKey).low != 0; });
}

/// A request that meets one of so many endpoint rules.
void measure_engine(const char* name, std::size_t rules) {
  RateLimitConfig config;
  config.client_identification.identify = {"ip"};
  for (std::size_t i = 0; i < rules; ++i) {
    EndpointConfig& endpoint = config.endpoints.emplace_back();
    endpoint.pattern = "/api/v1/thing" + std::to_string(i) + "/*";
    endpoint.name = endpoint.pattern;
    endpoint.limit.windows = {{.limit = kPlenty, .window = 60s, .burst = {}}};
  }
  const TestStore memory({}, {.capacity = 1'000, .log_slots = 0});
  auto policy = Policy::compile(config, HashKey{1, 2}).value();
  require(memory.store->bind(policy->counters_to_bind(), 0, true).has_value(), name);
  const Engine engine(std::move(policy), *memory.store);

  const Request request{.peer = IpAddress::parse("203.0.113.7"),
                        .method = "GET",
                        .target = "/api/v1/thing7/42?page=2"};
  Decision decision;
  const auto decide = [&](std::uint64_t) {
    engine.decide(request, kNoon / kTicksPerMicro, decision);
    return decision.admitted() && decision.endpoint == "/api/v1/thing7/*";
  };
  decide(0);
  measure(name, decide);
}

/// A request of a user whose token was verified before.
void measure_known_token() {
  constexpr const char* kName = "engine.decide_by_a_known_token";
  RateLimitConfig config;
  config.client_identification.jwt.emplace();
  config.default_limit.windows[0].limit = kPlenty;
  config.tiers = {{.name = "premium", .limit = config.default_limit}};
  const TestStore memory({}, {.capacity = 1'000, .log_slots = 0});
  auto policy = Policy::compile(config, HashKey{1, 2}).value();
  require(memory.store->bind(policy->counters_to_bind(), 0, true).has_value(), kName);
  const Engine engine(
      std::move(policy), *memory.store,
      std::make_shared<TokenVerifier>(config.client_identification, test_keys(), HashKey{1, 2}));

  // About as long as a token with an RSA signature.
  const TestHeaders headers{
      {"Authorization", "Bearer " + signed_token(R"({"sub":"alice","tier":"premium","x":")" +
                                                 std::string(400, 'x') + "\"}")}};
  const Request request{.peer = IpAddress::parse("203.0.113.7"),
                        .method = "GET",
                        .target = "/api/v1/thing7/42?page=2",
                        .headers = &headers};
  Decision decision;
  engine.decide(request, kNoon / kTicksPerMicro, decision);
  measure(kName, [&](std::uint64_t) {
    engine.decide(request, kNoon / kTicksPerMicro, decision);
    return decision.token == TokenVerdict::cached && decision.client.tier == "premium";
  });
}

void measure_paths() {
  PathReadings readings;
  const auto read = [&](std::string_view target, std::string_view path) {
    return [&readings, target, path](std::uint64_t) {
      read_path(target, readings);
      return readings.path == path;
    };
  };
  measure("path.plain", read("/api/v1/search/books?q=tides", "/api/v1/search/books"));
  measure("path.escaped", read("/api//v1/./%73earch/b%2Fc;x?q=1", "/api/v1/search/b/c;x"));

  std::vector<EndpointMatcher::Entry> entries;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    entries.push_back(
        {.pattern = "/api/v1/thing" + std::to_string(i) + "/*", .methods = {"GET"}, .rule = i});
  }
  const EndpointMatcher matcher(entries);
  measure("path.match_in_1000",
          [&](std::uint64_t) { return matcher.match("/api/v1/thing7/42", "GET") == 7; });
}

void measure_responses() {
  const Decision allowed = allowed_decision();
  const Decision denied = denied_decision();
  const auto write = [](const Decision& decision, const RenderOptions& options) {
    return [&decision, options](std::uint64_t) {
      std::size_t bytes = 0;
      add_rate_limit_headers(
          decision, options, kWall,
          [&](std::string_view, std::string_view value) { bytes += value.size(); });
      return bytes != 0;
    };
  };
  measure("fields.x_ratelimit", write(allowed, {}));
  measure("fields.ietf", write(allowed, {.x_ratelimit = false, .ietf = true}));
  measure("fields.denied", write(denied, {}));

  std::string body;
  const auto append = [&](std::uint64_t) {
    body.clear();
    append_rejection_body(denied, body);
    return !body.empty();
  };
  append(0);
  measure("body.denied", append);
}

void measure_metrics() {
  struct alignas(64) Memory {
    std::array<std::byte, std::size_t{64} << 10> bytes{};
  };
  const auto memory = std::make_unique<Memory>();
  Counters counters(memory->bytes);
  const Decision allowed = allowed_decision();
  Decision elsewhere = allowed;
  elsewhere.endpoint = "search";
  const auto count_in_turn = [&](const Decision& first, const Decision& second) {
    return [&](std::uint64_t i) {
      counters.count(i % 2 == 0 ? first : second);
      return true;
    };
  };
  counters.count(allowed);
  counters.count(elsewhere);
  measure("metrics.count_the_same", count_in_turn(allowed, allowed));
  measure("metrics.count_another", count_in_turn(allowed, elsewhere));
}

}  // namespace
}  // namespace tidegate

int main() {
#ifdef __clang__
  fmt::print("clang++ {}.{}.{}\n", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  fmt::print("g++ {}.{}.{}\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  tidegate::measure_decisions();
  tidegate::measure_groups();
  tidegate::measure_newcomers();
  tidegate::measure_hash();
  tidegate::measure_engine("engine.decide_of_10_rules", 10);
  tidegate::measure_engine("engine.decide_of_1000_rules", 1'000);
  tidegate::measure_known_token();
  tidegate::measure_paths();
  tidegate::measure_responses();
  tidegate::measure_metrics();
  return testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed() ? 1 : 0;
}
