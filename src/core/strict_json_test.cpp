#include "core/strict_json.hpp"

#include <gtest/gtest.h>

#include <string>

#include <boost/json/value.hpp>

namespace tidegate {
namespace {

bool parses(std::string_view text) { return parse_strict_json(text, 4).has_value(); }

TEST(StrictJson, TakesWhatIsJson) {
  for (const char* text : {"{}", "[1, 2.5, -3e2]", R"({"a": {"b": [true, null]}, "c": {"b": 1}})",
                           " \"x\" ", "{\"\\u0061\": 1, \"b\": 2}"}) {
    EXPECT_TRUE(parses(text)) << text;
  }
}

TEST(StrictJson, RefusesWhatIsNot) {
  for (const char* text : {"", "{", "{}x", "{} {}", "{'a': 1}", "{\"a\": 1,}", "[1,]", "// x\n{}",
                           "NaN", "{\"a\": 01}", "\"\xff\"", "\"\xc0\x80\"", "[[[[[1]]]]]"}) {
    EXPECT_FALSE(parses(text)) << text;
  }
  EXPECT_FALSE(parses(std::string("\"\0\"", 3)));
}

TEST(StrictJson, RefusesNamesThatStandTwice) {
  for (const char* text : {R"({"a": 1, "a": 1})", R"({"a": 1, "\u0061": 2})",
                           R"({"x": {"a": 1, "b": 2, "a": 3}})", R"([{"a": 1, "a": 2}])"}) {
    EXPECT_FALSE(parses(text)) << text;
  }
}

}  // namespace
}  // namespace tidegate
