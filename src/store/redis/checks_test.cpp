#include "store/redis/checks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <vector>

namespace tidegate::redis {
namespace {

Reply number(std::int64_t value) {
  Reply reply;
  reply.kind = Reply::Kind::integer;
  reply.integer = value;
  return reply;
}
Reply text(std::string value) {
  Reply reply;
  reply.kind = Reply::Kind::text;
  reply.text = std::move(value);
  return reply;
}
Reply list(std::vector<Reply> elements) {
  Reply reply;
  reply.kind = Reply::Kind::array;
  reply.elements = std::move(elements);
  return reply;
}
Reply numbers(std::initializer_list<std::int64_t> values) {
  std::vector<Reply> elements;
  for (const std::int64_t value : values) elements.push_back(number(value));
  return list(std::move(elements));
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
  ASSERT_TRUE(decode(numbers({0, 7, 1, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0, 8})));
  EXPECT_FALSE(answers_[0].cooldown.refused);
  EXPECT_EQ(answers_[0].cooldown.left_us, 7U);
  EXPECT_TRUE(verdicts_[0].admitted);
  EXPECT_EQ(verdicts_[0].quota.remaining, 10U);
  EXPECT_EQ(verdicts_[0].quota.reset_us, 20U);
  EXPECT_EQ(verdicts_[0].quota.more_after_us, 30U);
  EXPECT_FALSE(verdicts_[1].admitted);
  EXPECT_EQ(verdicts_[1].quota.retry_after_us, 31U);
  EXPECT_TRUE(answers_[1].cooldown.refused);
  EXPECT_EQ(answers_[1].cooldown.left_us, 9U);
  EXPECT_EQ(verdicts_[2].quota.remaining, 5U);
}

TEST_F(Replies, MaySayThatOneCheckWasNotDecided) {
  std::vector<Reply> elements{number(2), text("WRONGTYPE k")};
  for (const int value : {0, 0, 1, 5, 6, 0, 8}) elements.push_back(number(value));
  ASSERT_TRUE(decode(list(std::move(elements))));
  EXPECT_EQ(answers_[0].error, "WRONGTYPE k");
  EXPECT_EQ(answers_[1].error, "");
  EXPECT_EQ(verdicts_[2].quota.remaining, 5U);
}

TEST_F(Replies, OfAnotherFormAreRefused) {
  EXPECT_FALSE(decode(number(1)));
  EXPECT_FALSE(decode(list({})));
  EXPECT_FALSE(decode(numbers({0, 7, 1, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0})))
      << "cut";
  EXPECT_FALSE(decode(numbers({0, 7, 1, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0, 8, 0})))
      << "longer";
  EXPECT_FALSE(decode(numbers({0, 7, 2, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0, 8})))
      << "admitted 2";
  EXPECT_FALSE(decode(numbers({0, -7, 1, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0, 8})))
      << "negative";
  EXPECT_FALSE(decode(numbers({3, 7, 1, 10, 20, 0, 30, 0, 11, 21, 31, 41, 1, 9, 1, 5, 6, 0, 8})))
      << "result 3";
  EXPECT_FALSE(decode(list({number(2), number(1)}))) << "an error that is no text";
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

}  // namespace
}  // namespace tidegate::redis
