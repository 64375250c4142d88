#include "identity/json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate {
namespace {

std::string error_of(std::string_view text) {
  const auto value = parse_json(text);
  return value ? "" : value.error().message;
}

std::string text_of(std::string_view json) {
  const auto value = parse_json(json);
  return value && value->string() != nullptr ? value->text : "nothing";
}

TEST(Json, ReadsEveryKindOfValue) {
  const auto value = parse_json(
      R"( {"s":"x", "n":-1.5e+3,"t":true,"f":false,"z":null,"a":[1,[],{}],"o":{"i":0}} )");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->find("s")->text, "x");
  EXPECT_EQ(value->find("n")->text, "-1.5e+3");
  EXPECT_TRUE(value->find("t")->is_true());
  EXPECT_EQ(value->find("f")->type, JsonValue::Type::boolean);
  EXPECT_FALSE(value->find("f")->is_true());
  EXPECT_EQ(value->find("z")->type, JsonValue::Type::null);
  EXPECT_EQ(value->find("a")->items.size(), 3U);
  EXPECT_EQ(value->find("o")->find("i")->text, "0");
  EXPECT_EQ(value->find("i"), nullptr) << "members of others are none of its own";
}

TEST(Json, ReadsEscapes) {
  EXPECT_EQ(text_of(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text_of(R"("\u0061\u00E4\u20ac\ud83d\uDE00")"),
            "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(text_of(R"("a\u0000b")"), std::string("a\0b", 3));
}

TEST(Json, RefusesAMemberTwiceHoweverItIsSpelt) {
  EXPECT_EQ(error_of(R"({"alg":1,"b":2,"alg":3})"), "a member twice, ending at byte 24");
  EXPECT_NE(error_of(R"({"alg":1,"\u0061lg":1})"), "");
  EXPECT_NE(error_of(R"({"x":{"a":1,"a":1}})"), "");
  EXPECT_EQ(error_of(R"({"x":{"a":1},"a":1})"), "");
}

TEST(Json, RefusesWhatIsNoJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[1,]",
                           "{\"a\":1,}",
                           "{\"a\"}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "{1:1}",
                           "[1 2]",
                           "nul",
                           "True",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "--1",
                           "0x1",
                           "NaN",
                           "Infinity",
                           "'a'",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\n\"",
                           "{} {}",
                           "{}x",
                           "// a\n{}",
                           "\xef\xbb\xbf{}",
                           "\"\xff\"",
                           "\"\xc0\xaf\"",
                           "\"\xed\xa0\x80\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0061\"",
                           "\"\\ud800x\""}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_NE(error_of(std::string_view("{}\0", 3)), "");
}

TEST(Json, BoundsTheNesting) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(error_of(nested(kMaxJsonDepth)), "");
  EXPECT_EQ(error_of(nested(kMaxJsonDepth + 1)), "nested too deeply at byte 17");
  EXPECT_NE(error_of(std::string(1'000'000, '[')), "");
}

}  // namespace
}  // namespace tidegate
