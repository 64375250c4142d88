#include "store/redis/keys.hpp"

#include <gtest/gtest.h>

#include "store/redis/client.hpp"

namespace tidegate::redis {
namespace {

Counter counter_of(std::string_view rule, std::chrono::milliseconds window) {
  Counter counter;
  counter.window =
      make_window(Algorithm::token_bucket, {.limit = 5, .window = window, .burst = {}});
  counter.rule_name = rule;
  return counter;
}

TEST(KeyNames, AreAsTheContractWritesThem) {
  const KeyNames names("ratelimit", "shop");
  const Hash128 client{0x0706'0504'0302'0100, 0x0f0e'0d0c'0b0a'0908};
  const Counter counter = counter_of("search", std::chrono::seconds(60));
  EXPECT_EQ(names.count(client, counter),
            "ratelimit:{shop:AAECAwQFBgcICQoLDA0ODw}:search:token_bucket:60000");
  EXPECT_EQ(names.violation(client, counter),
            "ratelimit:{shop:AAECAwQFBgcICQoLDA0ODw}:search:violation");
  EXPECT_EQ(names.violations(client), "ratelimit:{shop:AAECAwQFBgcICQoLDA0ODw}:violations");
  EXPECT_EQ(names.cooldown(client), "ratelimit:{shop:AAECAwQFBgcICQoLDA0ODw}:cooldown");
}

TEST(KeyNames, OfAClientAreInOneSlotWhateverTheRuleIsCalled) {
  const KeyNames names("ratelimit", "shop");
  const Hash128 client{1, 2};
  const Slot slot = slot_of(names.cooldown(client));
  for (const char* rule : {"search", "{}", "a}{b}", "}", "{x}"}) {
    EXPECT_EQ(slot_of(names.count(client, counter_of(rule, std::chrono::seconds(1)))), slot)
        << rule;
  }
  EXPECT_NE(slot_of(names.cooldown({2, 2})), slot);
}

TEST(KeyNames, FindAllClientsOfARuleByAPattern) {
  const KeyNames names("ratelimit", "shop");
  EXPECT_EQ(names.pattern(counter_of("GET /a/*?[x]\\", std::chrono::seconds(1))),
            R"(ratelimit:{shop:*}:GET /a/\*\?\[x\]\\:token_bucket:1000)");
}

TEST(Slots, AreThoseOfTheClusterSpecification) {
  EXPECT_EQ(slot_of("123456789"), 0x31c3 % 16'384);
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  EXPECT_NE(slot_of("foo{}{bar}"), slot_of("bar")) << "an empty tag is none";
  EXPECT_EQ(slot_of(""), 0);
}

}  // namespace
}  // namespace tidegate::redis
