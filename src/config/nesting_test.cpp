#include "config/nesting.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::config {
namespace {

std::string dotted(std::size_t parts, const std::string& part = "a") {
  std::string key = part;
  for (std::size_t i = 1; i < parts; ++i) key += "." + part;
  return key;
}

TEST(FindLongKey, TakesKeysUpToTheBound) {
  EXPECT_FALSE(find_long_key(dotted(kMaxKeyParts) + " = 1\n"));
  EXPECT_TRUE(find_long_key(dotted(kMaxKeyParts + 1) + " = 1\n"));
  EXPECT_TRUE(find_long_key("[" + dotted(kMaxKeyParts + 1) + "]\n"));
  EXPECT_TRUE(find_long_key("x = { " + dotted(kMaxKeyParts + 1) + " = 1 }\n"));
  EXPECT_TRUE(find_long_key(dotted(kMaxKeyParts + 1, "\"a\"") + " = 1\n"));
}

TEST(FindLongKey, DoesNotCountDotsOfStringsCommentsAndNumbers) {
  const std::string dots(100, '.');
  EXPECT_FALSE(find_long_key("a = \"" + dots + "\"\n"));
  EXPECT_FALSE(find_long_key("a = '" + dots + "'\n"));
  EXPECT_FALSE(find_long_key("a = \"\\\"" + dots + "\"\n"));
  EXPECT_FALSE(find_long_key("a = \"\"\"\n" + dots + "\n\"\" " + dots + "\"\"\"\n"));
  EXPECT_FALSE(find_long_key("a = '''" + dots + "''''\nb = 1\n"));
  EXPECT_FALSE(find_long_key("# " + dots + "\n"));
  std::string numbers = "a = [1.5";
  for (int i = 0; i < 100; ++i) numbers += ", 1.5";
  EXPECT_FALSE(find_long_key(numbers + "]\n"));
}

TEST(FindLongKey, GoesOnBehindStrings) {
  for (const std::string string :
       {"\"x\"", "'x'", "\"\"\"x\"\"\"", "'''x'''", "'''x'''''", "\"\"", "''", "\"\\\\\""}) {
    EXPECT_TRUE(find_long_key("a = " + string + "\n" + dotted(40) + " = 1\n")) << string;
  }
}

TEST(FindLongKey, SaysWhere) {
  const auto at = find_long_key("a = \"\"\"\n\n\"\"\"\n" + dotted(40) + " = 1\n");
  ASSERT_TRUE(at);
  EXPECT_EQ(at->line, 4u);
  EXPECT_EQ(at->column, 2 * kMaxKeyParts);
}

TEST(FindLongKey, CountsCharactersAsColumns) {
  const auto at = find_long_key("\"\u00e9\"." + dotted(40) + " = 1\n");
  ASSERT_TRUE(at);
  EXPECT_EQ(at->column, 4 + 2 * (kMaxKeyParts - 1));
}

TEST(FindBareNonAscii, LeavesStringsCommentsAndAByteOrderMarkAlone) {
  EXPECT_FALSE(find_bare_non_ascii("\ufeffa = \"\u00e9\" # \u00e9\nb = '''\n\u00e9\n'''\n"));
  EXPECT_FALSE(find_bare_non_ascii("\"d\u00e9faut\" = 1\n"));
}

TEST(FindBareNonAscii, SaysWhere) {
  for (const std::string line : {"d\u00e9faut = 1", "\u00a0a = 1", "a = 1\u2003", "a\xff = 1"}) {
    const auto at = find_bare_non_ascii("x = 1\n" + line);
    ASSERT_TRUE(at) << line;
    EXPECT_EQ(at->line, 2u);
  }
  const auto at = find_bare_non_ascii("\ufeff'\u00e9' = 1\u00a0\n");
  ASSERT_TRUE(at);
  EXPECT_EQ(at->column, 8u);
}

TEST(FindLongKey, ReadsTextThatBreaksOff) {
  for (const std::string text :
       {"\"", "'", "\"\"\"", "'''", "\"\\", "\"\"\"\\", "#", ".", "\"\""}) {
    EXPECT_FALSE(find_long_key(text)) << text;
    EXPECT_FALSE(find_bare_non_ascii(text)) << text;
  }
}

}  // namespace
}  // namespace tidegate::config
