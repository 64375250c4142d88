#include "observe/top_clients.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
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

std::vector<std::string> names(const TopClients& top) {
  std::vector<std::string> names;
  for (const auto& named : top.named()) names.push_back(named.client);
  return names;
}

TEST(TopClients, NamesTheBusiestFirst) {
  Memory memory;
  TopClients top(memory.bytes);
  for (int i = 0; i < 3; ++i) top.note(a_decision("ip:3.3.3.3", Outcome::allowed, "search"));
  top.note(a_decision("ip:1.1.1.1", Outcome::allowed));
  for (int i = 0; i < 2; ++i) top.note(a_decision("ip:2.2.2.2", Outcome::denied));

  EXPECT_EQ(names(top), (std::vector<std::string>{"ip:3.3.3.3", "ip:2.2.2.2", "ip:1.1.1.1"}));
  EXPECT_EQ(top.named().front().endpoint, "search");
  EXPECT_EQ(top.named().front().tier, "anonymous");
  EXPECT_EQ(top.named().front().weight, 3U);
}

TEST(TopClients, TellsRulesOfAClientApart) {
  Memory memory;
  TopClients top(memory.bytes);
  top.note(a_decision("ip:1.1.1.1", Outcome::allowed));
  top.note(a_decision("ip:1.1.1.1", Outcome::allowed, "search"));
  EXPECT_EQ(top.named().size(), 2U);
}

TEST(TopClients, KeepsTheBusyThroughAFloodOfStrangers) {
  Memory memory;
  TopClients top(memory.bytes);
  for (int i = 0; i < 20'000; ++i) {
    if (i % 4 == 0) top.note(a_decision("ip:9.9.9.9", Outcome::allowed));
    top.note(a_decision("ip:invented-" + std::to_string(i), Outcome::allowed));
  }
  EXPECT_EQ(names(top).front(), "ip:9.9.9.9");
}

TEST(TopClients, NotesWhoComesLateOnceTheOthersAreGone) {
  Memory memory;
  TopClients top(memory.bytes);
  for (int i = 0; i < 20'000; ++i) {
    top.note(a_decision("ip:early-" + std::to_string(i % 2'000), Outcome::allowed));
  }
  for (const auto& named : top.named()) top.forget(named);
  top.note(a_decision("ip:late", Outcome::allowed));
  EXPECT_EQ(names(top).front(), "ip:late");
}

TEST(TopClients, LeavesOutNamesThatAreTooLong) {
  Memory memory;
  TopClients top(memory.bytes);
  const std::string longest(TopClients::kMaxNameBytes, 'x');
  top.note(a_decision(longest, Outcome::allowed));
  top.note(a_decision(longest + "x", Outcome::allowed));
  EXPECT_EQ(names(top), std::vector<std::string>{longest});
}

TEST(TopClients, TakesThePlaceOfWhoDiedWriting) {
  Memory memory;
  auto* const shared = reinterpret_cast<TopClients::SharedName*>(memory.bytes.data());
  const std::size_t count = memory.bytes.size() / sizeof(TopClients::SharedName);
  const Decision decision = a_decision("ip:1.1.1.1", Outcome::allowed);
  const auto all_claimed_at = [&](Micros time_us) {
    for (std::size_t i = 0; i < count; ++i) {
      shared[i].key.store(std::uint64_t{1} << 63 | 7);
      shared[i].claimed_us.store(time_us);
    }
  };
  TopClients top(memory.bytes);

  all_claimed_at(decision.time_us - 1'000'000);
  top.note(decision);
  EXPECT_TRUE(top.named().empty()) << "they may still be writing";

  all_claimed_at(decision.time_us - 2'000'000);
  top.note(decision);
  EXPECT_EQ(names(top), std::vector<std::string>{"ip:1.1.1.1"});
}

TEST(TopClients, ShowsNoMixedNamesWhileThreadsWriteThem) {
  Memory memory;
  const TopClients top(memory.bytes);
  std::atomic<bool> done = false;
  std::vector<std::jthread> writers;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&memory, &done, t] {
      TopClients mine(memory.bytes);
      for (int i = 0; !done; ++i) {
        // A name of one letter, as long as its letter says.
        const int letter = (i * 7 + t) % 20;
        const std::string name(static_cast<std::size_t>(40 + letter * 10),
                               static_cast<char>('a' + letter));
        mine.note(a_decision(name, Outcome::allowed, std::to_string(i % 500)));
      }
    });
  }
  for (std::size_t seen = 0; seen < 20'000;) {
    for (const auto& named : top.named()) {
      ++seen;
      const char letter = named.client.front();
      ASSERT_TRUE(std::ranges::all_of(named.client, [&](char c) { return c == letter; }));
      ASSERT_EQ(named.client.size(), 40U + static_cast<std::size_t>(letter - 'a') * 10);
      ASSERT_EQ(named.tier, "anonymous");
    }
  }
  done = true;
}

TEST(TopClients, SurviveJunk) {
  Memory memory;
  for (const int byte : {0xff, 0x7f, 0x55}) {
    std::memset(memory.bytes.data(), byte, memory.bytes.size());
    TopClients top(memory.bytes);
    top.note(a_decision("ip:1.1.1.1", Outcome::allowed));
    for (const auto& named : top.named()) top.forget(named);
  }
}

TEST(TopClients, ShowNoNameThatSomebodyThoughtDeadHasWrittenOver) {
  Memory memory;
  TopClients top(memory.bytes);
  top.note(a_decision("ip:1.1.1.1", Outcome::allowed));
  top.note(a_decision("ip:2.2.2.2", Outcome::allowed));
  const std::size_t place = top.named().front().place;
  auto* const shared = reinterpret_cast<TopClients::SharedName*>(memory.bytes.data());
  shared[place].text[0].store(0x3939'3939'3939'3939);
  ASSERT_EQ(names(top).size(), 1U);
}

}  // namespace
}  // namespace tidegate
