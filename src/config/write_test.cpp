#include "config/write.hpp"

#include <gtest/gtest.h>

namespace tidegate::config {
namespace {

/// What a document holds, written once and written again.
void expect_the_same_again(std::string_view toml) {
  const auto once = parse_document(toml, "f");
  ASSERT_TRUE(once.has_value()) << to_string(once.error());
  const Node* root = find(*once, "a");
  ASSERT_NE(root, nullptr);
  const std::string written = write_table("a", *root->as<Table>());
  const auto again = parse_document(written, "f");
  ASSERT_TRUE(again.has_value()) << written << to_string(again.error());
  EXPECT_EQ(write_table("a", *find(*again, "a")->as<Table>()), written);
}

TEST(WriteTable, WritesOneLineForEachValue) {
  const auto document = parse_document(
      "[a]\nx = 7\n[a.b]\nyes = true\n[[a.c]]\nk = 'v'\n[a.c.d]\np = { limit = 1 }\n[other]\nz = "
      "1\n",
      "f");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(write_table("a", *find(*document, "a")->as<Table>()),
            "a.x = 7\na.b.yes = true\na.c = [{k = \"v\", d = {p = {limit = 1}}}]\n");
}

TEST(WriteTable, KeepsKeysAndTextsThatNeedQuotes) {
  expect_the_same_again(
      "[a]\n\"x.y\" = 'back\\slash \"quoted\"'\n\"\" = \"\\u0001\\t\\u007f\\u00e9\"\n");
  const auto document = parse_document("[a]\n\"x.y\" = \"\\u0001\"\n", "f");
  EXPECT_EQ(write_table("a", *find(*document, "a")->as<Table>()), "a.\"x.y\" = \"\\u0001\"\n");
}

TEST(WriteTable, KeepsATableWithoutKeys) {
  expect_the_same_again("[a]\n[a.jwt]\n");
  EXPECT_EQ(write_table("a", {}), "a = {}\n");
}

}  // namespace
}  // namespace tidegate::config
