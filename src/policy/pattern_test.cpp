#include "policy/pattern.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate {
namespace {

TEST(Pattern, AcceptsLiteralsAndStars) {
  for (const char* pattern : {"/", "/a", "/a/", "/a/b", "/*", "/**", "/a/*", "/a/*/b", "/a/**",
                              "/*/*/**", "/a.b", "/...", "/caf\xc3\xa9", "/100%", "/a;b", "/a b"}) {
    EXPECT_EQ(validate_pattern(pattern), "") << pattern;
  }
}

TEST(Pattern, SaysWhatIsWrong) {
  const struct {
    const char* pattern;
    const char* says;
  } cases[] = {
      {"", "begins with \"/\""},
      {"a", "begins with \"/\""},
      {"*", "begins with \"/\""},
      {"http://h/a", "begins with \"/\""},
      {"//", "empty segment"},
      {"/a//b", "empty segment"},
      {"/a//", "empty segment"},
      {"/a/./b", "\".\""},
      {"/a/..", "\"..\""},
      {"/a/**/b", "last segment"},
      {"/**/", ""},
      {"/a*", "whole segment"},
      {"/a/*.js", "whole segment"},
      {"/***", "whole segment"},
      {"/a?b=1", "query"},
      {"/a#b", "query"},
      {"/a%20b", "escape"},
      {"/a%2Fb", "escape"},
      {"/a\nb", "control"},
  };
  for (const auto& c : cases) {
    const std::string fault = validate_pattern(c.pattern);
    EXPECT_NE(fault.find(c.says), std::string::npos) << c.pattern << ": " << fault;
    EXPECT_EQ(fault.empty(), *c.says == '\0') << c.pattern << ": " << fault;
  }
}

TEST(Pattern, IsBoundedInLength) {
  std::string pattern;
  for (std::size_t i = 0; i < kMaxPatternSegments; ++i) pattern += "/a";
  EXPECT_EQ(validate_pattern(pattern), "");
  EXPECT_EQ(validate_pattern(pattern + "/"), "");
  EXPECT_NE(validate_pattern(pattern + "/a"), "");
}

}  // namespace
}  // namespace tidegate
