#include "policy/path.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tidegate {
namespace {

using std::string_view_literals::operator""sv;

#ifdef TIDEGATE_SANITIZED
constexpr int kRounds = 10'000;
#else
constexpr int kRounds = 100'000;
#endif

PathReadings read(std::string_view target) {
  PathReadings readings;
  read_path(target, readings);
  return readings;
}

TEST(Path, HasOneSpelling) {
  const struct {
    std::string_view target;
    std::string_view path;
  } cases[] = {
      {"/", "/"},
      {"/a", "/a"},
      {"/a/", "/a"},
      {"/a/b?c=/d/../e", "/a/b"},
      {"/a#b", "/a"},
      {"/a?b#c", "/a"},
      {"/?", "/"},
      {"//", "/"},
      {"//a///b//", "/a/b"},
      {"/./a/./b/.", "/a/b"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/..", "/a"},
      {"/a/..", "/"},
      {"/..", "/"},
      {"/../../a", "/a"},
      {"/a//../b", "/b"},  // slashes are merged before dots are resolved
      {"/a/.../b", "/a/.../b"},
      {"/.a/..b/c.", "/.a/..b/c."},
      {"//api/./v1/%73earch/b?q=1", "/api/v1/search/b"},
      {"/%61%62", "/ab"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/%2e/b", "/a/b"},
      {"/a%3Fb%23c", "/a?b#c"},
      {"/caf%C3%A9", "/caf\xc3\xa9"},
      {"/caf\xc3\xa9", "/caf\xc3\xa9"},
      {"/a%252Fb", "/a%2Fb"},  // decoded once, and literal text from then on
      {"/a%252e%252e", "/a%2e%2e"},
      {"/a%20b+c", "/a b+c"},
      {"http://h/a/b", "/a/b"},
      {"HTTPS://user@h:443/a?b", "/a"},
      {"http://h", "/"},
      {"http://h?a", "/"},
      {"http://", "/"},
      {"http:///a", "/a"},
      {"x-y+z.1://h/../a", "/a"},
  };
  for (const auto& c : cases) {
    const PathReadings readings = read(c.target);
    EXPECT_EQ(readings.path, c.path) << c.target;
    EXPECT_FALSE(readings.literal) << c.target << " also reads as " << *readings.literal;
    EXPECT_FALSE(readings.by_segment) << c.target << " also reads as " << *readings.by_segment;
  }
}

TEST(Path, IsEmptyForWhatIsNoPath) {
  for (const char* target : {"", "*", "example.org:443", "a/b", "?a", "#", "http:/a", "://h/a",
                             "ht tp://h/a", "%2Fa", "\\a"}) {
    const PathReadings readings = read(target);
    EXPECT_EQ(readings.path, "") << target;
    EXPECT_FALSE(readings.literal || readings.by_segment) << target;
  }
}

TEST(Path, HasFurtherReadingsWhereRoutersDiffer) {
  const struct {
    std::string_view target;
    std::string_view path;
    std::optional<std::string_view> literal;
    std::optional<std::string_view> by_segment;
  } cases[] = {
      {"/%61/b%2Fc;x/d", "/a/b/c;x/d", "/%61/b%2Fc/d", "/a/b%2Fc/d"},
      {"/api%2Fv1%2fsearch", "/api/v1/search", "/api%2Fv1%2fsearch", "/api%2Fv1%2Fsearch"},
      {"/a%2F", "/a", "/a%2F", {}},
      {"/a/x%2F..%2Fb", "/a/b", "/a/x%2F..%2Fb", {}},
      {"/a\\b", "/a\\b", "/a/b", {}},
      {"/a%5Cb%5cc", "/a\\b\\c", "/a/b/c", {}},
      {"/a\\..\\b", "/a\\..\\b", "/b", {}},
      {"/a\\%2e%2E/b", "/a\\../b", "/b", {}},
      {"/a;b", "/a;b", "/a", {}},
      {"/a;b=c/d;e/f", "/a;b=c/d;e/f", "/a/d/f", {}},
      {"/a%3Bb/c", "/a;b/c", "/a/c", {}},
      {"/%61;b/c", "/a;b/c", "/%61/c", "/a/c"},
      {"/a/..;/b", "/a/..;/b", "/b", {}},
      {"/a/;/b", "/a/;/b", "/a/b", {}},
      {"/a;b%2Fc/d", "/a;b/c/d", "/a/d", {}},
      {"/a;b\\c", "/a;b\\c", "/a/c", "/a"},
      {"/;", "/;", "/", {}},
      {"/a%00b/c", "/a\0b/c"sv, "/a", {}},
      {"/a\0b"sv, "/a\0b"sv, "/a", {}},
      {"/a/%00", "/a/\0"sv, "/a", {}},
      {"/%zz", "/%zz", {}, {}},
      {"/a%", "/a%", {}, {}},
      {"/a%2", "/a%2", {}, {}},
      {"/%61%4", "/a%4", "/%61%4", {}},
      {"/%%61", "/%a", "/%%61", {}},
      {"http://h\\a/b", "/\\a/b", "/a/b", {}},
      {"/a%2Fb?c%2Fd", "/a/b", "/a%2Fb", {}},
  };
  for (const auto& c : cases) {
    const PathReadings readings = read(c.target);
    EXPECT_EQ(readings.path, c.path) << c.target;
    EXPECT_EQ(readings.literal, c.literal) << c.target;
    EXPECT_EQ(readings.by_segment, c.by_segment) << c.target;
  }
}

TEST(Path, ForgetsTheReadingsBefore) {
  PathReadings readings;
  read_path("/%61%2Fb/c", readings);
  EXPECT_TRUE(readings.literal && readings.by_segment);
  read_path("/a", readings);
  EXPECT_EQ(readings.path, "/a");
  EXPECT_FALSE(readings.literal || readings.by_segment);
  read_path("*", readings);
  EXPECT_EQ(readings.path, "");
}

bool is_canonical(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/')) return false;
  const std::string closed = std::string(path) + '/';
  for (const char* part : {"//", "/./", "/../"}) {
    if (closed.find(part) != std::string::npos) return false;
  }
  return true;
}

TEST(Path, IsCanonicalWhateverCameIn) {
  std::mt19937 random(1);
  const std::string_view pieces[] = {"/",   "//",  "/.",  "/..", ".",   "a",    "b",
                                     "%2F", "%2e", "%5C", "\\",  ";",   "%00",  "%",
                                     "%6",  "%61", "%zz", "%25", "%3B", "\xff", "\0"sv};
  PathReadings readings;
  for (int i = 0; i < kRounds; ++i) {
    std::string target = "/";
    for (auto count = random() % 10; count != 0; --count) {
      target += pieces[random() % std::size(pieces)];
    }
    read_path(target, readings);
    ASSERT_TRUE(is_canonical(readings.path)) << target;
    ASSERT_TRUE(is_canonical(readings.literal.value_or("/"))) << target;
    ASSERT_TRUE(is_canonical(readings.by_segment.value_or("/"))) << target;

    // A canonical path without special characters reads as itself.
    if (readings.path.find_first_of("%\\;?#\0"sv) == std::string::npos) {
      const PathReadings again = read(readings.path);
      ASSERT_EQ(again.path, readings.path) << target;
      ASSERT_FALSE(again.literal || again.by_segment) << target;
    }
  }
}

TEST(Path, TakesNoLongerForHostileText) {
  // Quadratic work would take minutes here.
  const auto repeated = [](std::string_view piece) {
    std::string text = "/";
    while (text.size() < 2'000'000) text += piece;
    return text;
  };
  for (const char* piece : {"/../a", "a/..", "//", ";", "%2F..", "\\", "%", "a"}) {
    EXPECT_TRUE(is_canonical(read(repeated(piece)).path)) << piece;
  }
}

}  // namespace
}  // namespace tidegate
