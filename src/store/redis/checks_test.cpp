#include "store/redis/checks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

namespace tidegate::redis {
namespace {

using std::literals::string_literals::operator""s;

Reply text(std::string value) {
  Reply reply;
  reply.kind = Reply::Kind::text;
  reply.text = std::move(value);
  return reply;
}
/// A list as scripts pack it, of numbers below 128.
Reply numbers(std::initializer_list<std::uint8_t> values) {
  std::string packed(1, '\xdc');
  packed += '\0';
  packed += static_cast<char>(values.size());
  packed.append(values.begin(), values.end());
  return text(packed);
}

class Replies : public testing::Test {
 protected:
  bool decode(const Reply& reply) { return CheckCodec::decode(reply, answers_).has_value(); }

  std::array<Verdict, 3> verdicts_;
  std::array<CheckAnswer, 2> answers_{
      CheckAnswer{.verdicts = std::span(verdicts_).first(2), .cooldown = {}, .error = {}},
      CheckAnswer{.verdicts = std::span(verdicts_).subspan(2), .cooldown = {}, .error = {}}};
};

TEST_F(Replies, HaveAnAnswerForEachCheck) {
  ASSERT_TRUE(decode(numbers({1, 14, 20, 20, 30, 23, 21, 41, 32, 19, 11, 6, 8, 0})));
  EXPECT_FALSE(answers_[0].cooldown.refused);
  EXPECT_EQ(answers_[0].cooldown.left_us, 7U);
  EXPECT_TRUE(verdicts_[0].admitted);
  EXPECT_EQ(verdicts_[0].quota.remaining, 10U);
  EXPECT_EQ(verdicts_[0].quota.reset_us, 20U);
  EXPECT_EQ(verdicts_[0].quota.retry_after_us, 0U);
  EXPECT_EQ(verdicts_[0].quota.more_after_us, 30U);
  EXPECT_FALSE(verdicts_[1].admitted);
  EXPECT_EQ(verdicts_[1].quota.retry_after_us, 31U);
  EXPECT_TRUE(answers_[1].cooldown.refused);
  EXPECT_EQ(answers_[1].cooldown.left_us, 9U);
  EXPECT_EQ(verdicts_[2].quota.remaining, 5U);
}

TEST_F(Replies, MayHaveNothingToTellOfCooldowns) {
  ASSERT_TRUE(decode(numbers({0, 20, 20, 30, 23, 21, 41, 32, 10, 6, 8})));
  EXPECT_FALSE(answers_[0].cooldown.refused);
  EXPECT_EQ(answers_[0].cooldown.left_us, 0U);
  EXPECT_EQ(verdicts_[1].quota.remaining, 11U);
  EXPECT_EQ(verdicts_[2].quota.more_after_us, 8U);
}

TEST_F(Replies, MaySayThatOneCheckWasNotDecided) {
  ASSERT_TRUE(decode(text("\x96\x01\xa1k\x00\x0a\x06\x08"s)));
  EXPECT_EQ(answers_[0].error, "WRONGTYPE k holds what is no state of this limit");
  EXPECT_EQ(answers_[1].error, "");
  EXPECT_EQ(verdicts_[2].quota.remaining, 5U);
}

TEST_F(Replies, OfAnotherFormAreRefused) {
  Reply number;
  number.kind = Reply::Kind::integer;
  EXPECT_FALSE(decode(number));
  EXPECT_FALSE(decode(Reply{}));
  EXPECT_FALSE(decode(text("")));
  EXPECT_FALSE(decode(text("OK"))) << "no list";
  EXPECT_FALSE(decode(numbers({}))) << "nothing";
  EXPECT_FALSE(decode(numbers({2, 20, 20, 30, 23, 21, 41, 32, 10, 6, 8}))) << "begins with 2";
  EXPECT_FALSE(decode(numbers({0, 20, 20, 30, 23, 21, 41, 32, 10, 6}))) << "cut";
  EXPECT_FALSE(decode(numbers({0, 20, 20, 30, 23, 21, 41, 32, 10, 6, 8, 0}))) << "longer";
  EXPECT_FALSE(decode(numbers({0, 20, 0xff, 30, 23, 21, 41, 32, 10, 6, 8}))) << "negative";
  EXPECT_FALSE(decode(numbers({0, 20, 0xc0, 30, 23, 21, 41, 32, 10, 6, 8}))) << "no number";
  EXPECT_FALSE(decode(text("\x96\x01\x00\xa1k\x0a\x06\x08"s))) << "a key among answers";
}

TEST(Calls, NameTheKeysOfEveryCheck) {
  const CheckCodec codec{KeyNames("p", "n")};
  Counter counter;
  counter.window = make_window(Algorithm::fixed_window,
                               {.limit = 5, .window = std::chrono::seconds(1), .burst = {}});
  counter.rule_name = "r";
  const Charge charge{.counter = &counter, .client = {1, 2}, .cost = 3};
  const Penalties penalties;
  const std::array checks{
      Check{.charges = {&charge, 1}, .enforced = 1, .penalties = nullptr, .client = {1, 2}},
      Check{.charges = {&charge, 1}, .enforced = 1, .penalties = &penalties, .client = {1, 2}}};
  const Call call = codec.encode(checks, 1'234);
  const KeyNames& names = codec.names();
  ASSERT_EQ(call.keys, 5U);
  EXPECT_EQ(call.arguments[0], names.count({1, 2}, counter));
  EXPECT_EQ(call.arguments[1], names.cooldown({1, 2}));
  EXPECT_EQ(call.arguments[2], names.violations({1, 2}));
  EXPECT_EQ(call.arguments[3], names.count({1, 2}, counter));
  EXPECT_EQ(call.arguments[4], names.violation({1, 2}, counter));
  ASSERT_EQ(call.arguments.size(), 7U);
  EXPECT_EQ(call.arguments[6], "1234");
  EXPECT_EQ(call.slot, slot_of(names.cooldown({1, 2})));
  EXPECT_EQ(codec.encode(checks).arguments[6], "") << "then Redis's own time";
}

/// Checks of one charge each, by these algorithms and of these clients.
class CallsOfPlainChecks : public testing::Test {
 protected:
  const Script* script(std::initializer_list<std::pair<Algorithm, std::uint64_t>> asked) {
    std::vector<Charge> charges;
    charges.reserve(asked.size());
    std::vector<Check> checks;
    for (const auto& [algorithm, client] : asked) {
      const auto found = std::ranges::find(counters_, algorithm,
                                           [](const Counter& c) { return c.window.algorithm; });
      charges.push_back({.counter = &*found, .client = {client, 2}, .cost = 1});
      checks.push_back({.charges = {&charges.back(), 1},
                        .enforced = 1,
                        .penalties = nullptr,
                        .client = {client, 2}});
    }
    return codec_.encode(checks).script;
  }

  CallsOfPlainChecks() {
    for (const Algorithm algorithm : {Algorithm::token_bucket, Algorithm::sliding_window}) {
      Counter& counter = counters_.emplace_back();
      counter.window =
          make_window(algorithm, {.limit = 5, .window = std::chrono::seconds(1), .burst = {}});
      counter.rule_name = "r";
    }
  }

  std::vector<Counter> counters_;
  const CheckCodec codec_{KeyNames("p", "n")};
};

TEST_F(CallsOfPlainChecks, HaveAScriptForEachAlgorithm) {
  constexpr auto kBucket = Algorithm::token_bucket;
  constexpr auto kLog = Algorithm::sliding_window;
  const Script* const general = &check_scripts().back();
  EXPECT_EQ(script({{kBucket, 1}}), script({{kBucket, 1}, {kBucket, 2}}));
  EXPECT_NE(script({{kBucket, 1}}), script({{kLog, 1}}));
  EXPECT_NE(script({{kBucket, 1}}), general);
  EXPECT_EQ(script({{kBucket, 1}, {kLog, 2}}), general);
  EXPECT_EQ(script({{kBucket, 1}, {kBucket, 1}}), general) << "its values are read at once";
}

}  // namespace
}  // namespace tidegate::redis
