#include "observe/counters.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "observe/test_decisions.hpp"

namespace tidegate {
namespace {

struct alignas(64) Memory {
  std::array<std::byte, 64 * 1024> bytes{};
};

std::uint64_t requests(const Counters& counters, std::string_view endpoint, Outcome status) {
  for (const Status::Totals& row : counters.rows()) {
    if (row.endpoint == endpoint) return row.requests[static_cast<std::size_t>(status)];
  }
  return 0;
}

TEST(Counters, CountsByEndpointTierAndStatus) {
  Memory memory;
  Counters counters(memory.bytes);
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed));
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed));
  counters.count(a_decision("ip:1.2.3.4", Outcome::denied));
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed, "search", "premium"));

  const auto rows = counters.rows();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].endpoint, "default");
  EXPECT_EQ(rows[0].tier, "anonymous");
  EXPECT_EQ(rows[0].requests[static_cast<std::size_t>(Outcome::allowed)], 2U);
  EXPECT_EQ(rows[0].requests[static_cast<std::size_t>(Outcome::denied)], 1U);
  EXPECT_EQ(rows[1].endpoint, "search");
  EXPECT_EQ(rows[1].tier, "premium");
}

TEST(Counters, CountsRejectionsByTheKindOfClient) {
  Memory memory;
  Counters counters(memory.bytes);
  Decision by_key = a_decision("key:0123456789ab", Outcome::denied);
  by_key.client.client_type = ClientType::key;
  counters.count(by_key);
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed));

  const auto exceeded = counters.rows().at(0).exceeded;
  EXPECT_EQ(exceeded[static_cast<std::size_t>(ClientType::key)], 1U);
  EXPECT_EQ(exceeded[static_cast<std::size_t>(ClientType::ip)], 0U);
}

TEST(Counters, AreOneForAllWhoShareTheMemory) {
  Memory memory;
  Counters one(memory.bytes);
  Counters other(memory.bytes);
  one.count(a_decision("ip:1.2.3.4", Outcome::allowed));
  other.count(a_decision("ip:5.6.7.8", Outcome::allowed));
  EXPECT_EQ(requests(one, "default", Outcome::allowed), 2U);
}

TEST(Counters, LoseNothingWhenThreadsCountAtOnce) {
  Memory memory;
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&memory] {
        Counters counters(memory.bytes);
        for (int i = 0; i < kEach; ++i) {
          counters.count(
              a_decision("ip:1.2.3.4", Outcome::allowed, "rule" + std::to_string(i % 7)));
        }
      });
    }
  }
  const Counters counters(memory.bytes);
  std::uint64_t sum = 0;
  for (const Status::Totals& row : counters.rows()) sum += row.requests[0];
  EXPECT_EQ(sum, std::uint64_t{kThreads * kEach});
  EXPECT_EQ(counters.rows().size(), 7U) << "each pair of labels is shown once";
}

TEST(Counters, CallWhatFindsNoRoomOther) {
  Memory memory;
  Counters counters(memory.bytes);
  constexpr int kMore = 1'000;  // than rows
  for (int i = 0; i < kMore; ++i) {
    counters.count(a_decision("ip:1.2.3.4", Outcome::allowed, "rule" + std::to_string(i)));
  }
  std::uint64_t sum = 0;
  for (const Status::Totals& row : counters.rows()) sum += row.requests[0];
  EXPECT_EQ(sum, std::uint64_t{kMore});
  EXPECT_GT(requests(counters, "other", Outcome::allowed), 0U);
}

TEST(Counters, CallLabelsThatAreTooLongOther) {
  Memory memory;
  Counters counters(memory.bytes);
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed, std::string(65, 'x')));
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed, std::string(64, 'x')));
  EXPECT_EQ(requests(counters, "other", Outcome::allowed), 1U);
  EXPECT_EQ(requests(counters, std::string(64, 'x'), Outcome::allowed), 1U);
}

TEST(Counters, GoOnBesideWhatADeadProcessHasLeftHalfWritten) {
  // Every place is claimed, as by processes that died while writing labels, but for one row.
  Memory memory;
  auto* const rows =
      reinterpret_cast<Counters::SharedRow*>(memory.bytes.data() + Counters::kHeaderBytes);
  const std::size_t count =
      (memory.bytes.size() - Counters::kHeaderBytes) / sizeof(Counters::SharedRow);
  for (std::size_t i = 0; i < count; ++i) rows[i].state.store(i == 5 ? 0 : 1);
  Counters counters(memory.bytes);
  for (int i = 0; i < 3; ++i) counters.count(a_decision("ip:1.2.3.4", Outcome::allowed));
  EXPECT_EQ(requests(counters, "default", Outcome::allowed), 3U);
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed, "search"));
  EXPECT_EQ(requests(counters, "other", Outcome::allowed), 1U);
}

TEST(Counters, AddUpRowsThatTwoProcessesPublishedAtOnce) {
  Memory memory;
  Counters counters(memory.bytes);
  counters.count(a_decision("ip:1.2.3.4", Outcome::allowed));
  auto* const rows =
      reinterpret_cast<Counters::SharedRow*>(memory.bytes.data() + Counters::kHeaderBytes);
  const std::size_t count =
      (memory.bytes.size() - Counters::kHeaderBytes) / sizeof(Counters::SharedRow);
  std::size_t free = 1;
  while (free < count && rows[free].state.load() != 0) ++free;
  rows[free].endpoint.write("default");
  rows[free].tier.write("anonymous");
  rows[free].requests[0].store(41);
  rows[free].state.store(2);
  ASSERT_EQ(counters.rows().size(), 1U);
  EXPECT_EQ(requests(counters, "default", Outcome::allowed), 42U);
}

TEST(Counters, SurviveJunk) {
  Memory memory;
  std::memset(memory.bytes.data(), 0xff, memory.bytes.size());
  Counters counters(memory.bytes);
  counters.count(a_decision("ip:1.2.3.4", Outcome::denied));
  counters.count_warning("reason");
  EXPECT_FALSE(counters.rows().empty());
  EXPECT_TRUE(counters.warnings().empty());
}

TEST(Counters, CountWarningsByReason) {
  Memory memory;
  Counters counters(memory.bytes);
  counters.count_warning("untrusted_proxy");
  counters.count_warning("untrusted_proxy");
  counters.count_warning("another");
  const auto warnings = counters.warnings();
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0].name, "another");
  EXPECT_EQ(warnings[1].name, "untrusted_proxy");
  EXPECT_EQ(warnings[1].count, 2U);
}

TEST(Counters, CountTokensByVerdict) {
  Memory memory;
  Counters counters(memory.bytes);
  Decision decision = a_decision("ip:1.2.3.4", Outcome::allowed);
  counters.count(decision);
  EXPECT_TRUE(counters.tokens().empty()) << "nobody looked for one";
  decision.token = TokenVerdict::no_user;
  counters.count(decision);
  decision.token = TokenVerdict::missing;
  counters.count(decision);
  counters.count(decision);
  const auto tokens = counters.tokens();
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].name, "missing");
  EXPECT_EQ(tokens[0].count, 2U);
  EXPECT_EQ(tokens[1].name, "no_user");
  EXPECT_EQ(tokens[1].count, 1U);
}

}  // namespace
}  // namespace tidegate
