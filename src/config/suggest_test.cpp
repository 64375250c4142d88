#include "config/suggest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tidegate::config {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("limit", "limit"), 0u);
  EXPECT_EQ(edit_distance("limt", "limit"), 1u);
  EXPECT_EQ(edit_distance("limiit", "limit"), 1u);
  EXPECT_EQ(edit_distance("lemit", "limit"), 1u);
  EXPECT_EQ(edit_distance("limti", "limit"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "limit"), 5u);
  EXPECT_EQ(edit_distance("limit", ""), 5u);
  EXPECT_EQ(edit_distance("", ""), 0u);
}

TEST(EditDistance, LooksAtABoundedPart) {
  EXPECT_EQ(edit_distance(std::string(1'000'000, 'a'), std::string(1'000'000, 'b')), 64u);
}

TEST(Nearest, TakesTheClosestWord) {
  const std::vector<std::string> words{"limit", "window", "windows", "burst"};
  EXPECT_EQ(nearest("limits", words), "limit");
  EXPECT_EQ(nearest("widnow", words), "window");
  EXPECT_EQ(nearest("Windows", words), "windows");
  EXPECT_EQ(nearest("brust", words), "burst");
  EXPECT_EQ(nearest("limit", {}), "");
}

}  // namespace
}  // namespace tidegate::config
