#include "config/document.hpp"

#include <gtest/gtest.h>

namespace tidegate::config {
namespace {

const Node& at(const Table& table, std::string_view key) {
  const Node* node = find(table, key);
  EXPECT_NE(node, nullptr) << key;
  static const Node kNone{};
  return node == nullptr ? kNone : *node;
}

TEST(ParseDocument, KeepsEveryKindOfValueAndItsPlace) {
  const auto document = parse_document(
      "flag = true\n"
      "  count = -3\n"
      "real = 1.5\n"
      "text = \"a\"\n"
      "day = 2024-01-01\n"
      "list = [1,\n"
      "  2]\n"
      "[table]\n"
      "key = 1\n",
      "file.toml");
  ASSERT_TRUE(document);
  EXPECT_EQ(*at(*document, "flag").as<bool>(), true);
  EXPECT_EQ(*at(*document, "count").as<std::int64_t>(), -3);
  EXPECT_EQ(*at(*document, "real").as<double>(), 1.5);
  EXPECT_EQ(*at(*document, "text").as<std::string>(), "a");
  EXPECT_NE(at(*document, "day").as<Date>(), nullptr);
  EXPECT_EQ(at(*document, "count").place, (Place{"file.toml", 2, 11}));
  const Array& list = *at(*document, "list").as<Array>();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].place, (Place{"file.toml", 7, 3}));
  const Table& table = *at(*document, "table").as<Table>();
  EXPECT_EQ(table.at(0).place, (Place{"file.toml", 9, 1}));
  EXPECT_EQ(table.at(0).value.place, (Place{"file.toml", 9, 7}));
}

TEST(ParseDocument, KeepsTheOrderOfTheText) {
  const auto document = parse_document("b = 1\na = 2\nc = 3\n", "f");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->at(0).key, "b");
  EXPECT_EQ(document->at(1).key, "a");
  EXPECT_EQ(document->at(2).key, "c");
}

TEST(ParseDocument, CountsColumnsInCharacters) {
  const auto document = parse_document("\"\xc3\xa4\xc3\xb6\" = 1\n", "f");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->at(0).value.place.column, 8u);
}

TEST(ParseDocument, IsOneFaultWhereTheTextStopsBeingToml) {
  const auto document = parse_document("a = 1\nb = = 2\nc = = 3\n", "file.toml");
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().file, "file.toml");
  EXPECT_EQ(document.error().line, 2u);
  EXPECT_NE(document.error().message.find("not TOML"), std::string::npos);
}

TEST(ParseDocument, SurvivesAnyDepth) {
  std::string header = "[a";
  std::string inline_tables = "x = ";
  std::string split_arrays = "x = ";
  for (int i = 0; i < 100'000; ++i) {
    header += ".a";
    inline_tables += "{a=";
    split_arrays += "[\n";
  }
  EXPECT_FALSE(parse_document(header + "]\nx = 1\n", "f"));
  EXPECT_FALSE(parse_document(header + " = =\n", "f"));
  EXPECT_FALSE(parse_document(inline_tables, "f"));
  EXPECT_FALSE(parse_document(split_arrays, "f"));
  EXPECT_FALSE(parse_document("x = " + std::string(100'000, '['), "f"));
}

TEST(ParseDocument, TakesTheDeepestThatIsAllowed) {
  std::string key = "a";
  for (int i = 1; i < 32; ++i) key += ".a";
  std::string text = "[" + key + "]\n" + key + " = ";
  std::string close;
  for (int i = 0; i < 15; ++i) {
    text += "[{" + key + " = ";
    close += "}]";
  }
  EXPECT_TRUE(parse_document(text + "1" + close + "\n", "f"));
}

TEST(ParseValue, TakesOneValueOnly) {
  EXPECT_EQ(*parse_value("5", "V")->as<std::int64_t>(), 5);
  EXPECT_EQ(parse_value("[1, 2]", "V")->as<Array>()->size(), 2u);
  EXPECT_EQ(parse_value("5", "V")->place, (Place{"V", 0, 0}));
  for (const char* text : {"", "word", "1\nother = 2", "1\n[table]", "[1", "{a = 1", "a.b"}) {
    EXPECT_FALSE(parse_value(text, "V")) << text;
  }
}

TEST(Describe, IsOneShortLine) {
  EXPECT_EQ(describe({.place = {}, .value = std::int64_t{3}}), "the integer 3");
  EXPECT_EQ(describe({.place = {}, .value = std::string("a\"b\\\n\x7f")}),
            "the string \"a\\\"b\\\\\\u000a\\u007f\"");
  const std::string cut = describe({.place = {}, .value = std::string(10'000, 'x')});
  EXPECT_LT(cut.size(), 120u);
  EXPECT_NE(cut.find("..."), std::string::npos);
  // Cut between characters, never within one.
  const std::string umlauts = describe({.place = {}, .value = "x" + [] {
                                          std::string text;
                                          for (int i = 0; i < 100; ++i) text += "\xc3\xa4";
                                          return text;
                                        }()});
  EXPECT_TRUE(umlauts.ends_with("\xc3\xa4...\""));
}

TEST(PathKey, QuotesWhatTomlWould) {
  EXPECT_EQ(path_key("a-b_1"), "a-b_1");
  EXPECT_EQ(path_key("a b"), "\"a b\"");
  EXPECT_EQ(path_key(""), "\"\"");
  EXPECT_EQ(path_key("a\nb"), "\"a\\u000ab\"");
}

}  // namespace
}  // namespace tidegate::config
