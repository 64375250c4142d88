#include "adapters/asio/forward_auth.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tidegate::server {
namespace {

class Lines final : public HeaderLines {
 public:
  Lines(std::initializer_list<std::pair<std::string, std::string>> lines) : lines_(lines) {}
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    for (const auto& [key, value] : lines_) {
      if (key == name && !use(value)) return;
    }
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

TEST(ForwardAuth, ReadsEitherPairOfFields) {
  const Lines forwarded{{"X-Forwarded-Uri", "/a?b"}, {"X-Forwarded-Method", "POST"}};
  const Lines original{{"X-Original-URI", "/a?b"}, {"X-Original-Method", "POST"}};
  for (const Lines* const lines : {&forwarded, &original}) {
    const auto asked = read_asked(*lines, "GET");
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->target, "/a?b");
    EXPECT_EQ(asked->method, "POST");
    EXPECT_FALSE(asked->other_target);
  }
}

TEST(ForwardAuth, TakesItsOwnMethodWhereNoneIsNamed) {
  EXPECT_EQ(read_asked(Lines{{"X-Forwarded-Uri", "/"}}, "HEAD")->method, "HEAD");
}

TEST(ForwardAuth, ReadsTwoTargetsThatDiffer) {
  const Lines lines{{"X-Forwarded-Uri", "/a"}, {"X-Original-URI", "/b"}};
  const auto asked = read_asked(lines, "GET");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->target, "/a");
  EXPECT_EQ(asked->other_target, "/b");
}

TEST(ForwardAuth, ReadsTwoTargetsThatAreTheSameAsOne) {
  const Lines lines{{"X-Forwarded-Uri", "/a"}, {"X-Forwarded-Uri", "/a"}, {"X-Original-URI", "/a"}};
  EXPECT_FALSE(read_asked(lines, "GET")->other_target);
}

TEST(ForwardAuth, LeavesOutNoLineThatAClientMayHaveAdded) {
  const Lines lines{{"X-Forwarded-Uri", "/a"}, {"X-Forwarded-Uri", "/b"}};
  const auto asked = read_asked(lines, "GET");
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->other_target, "/b");
  EXPECT_FALSE(read_asked(
      Lines{{"X-Forwarded-Uri", "/a"}, {"X-Forwarded-Uri", "/b"}, {"X-Original-URI", "/c"}},
      "GET"));
}

TEST(ForwardAuth, RefusesQuestionsAboutNothingAndContradictions) {
  EXPECT_FALSE(read_asked(Lines{}, "GET"));
  EXPECT_FALSE(read_asked(Lines{{"X-Forwarded-Method", "GET"}}, "GET"));
  EXPECT_FALSE(read_asked(
      Lines{{"X-Forwarded-Uri", "/"}, {"X-Forwarded-Method", "GET"}, {"X-Original-Method", "POST"}},
      "GET"));
}

TEST(ForwardAuth, ReadsTheStatusOfADenial) {
  EXPECT_EQ(read_deny("/auth").value(), std::nullopt);
  EXPECT_EQ(read_deny("/auth?a=b&c").value(), std::nullopt);
  EXPECT_EQ(read_deny("/auth?deny=403").value(), 403U);
  EXPECT_EQ(read_deny("/auth?a=b&deny=403&c").value(), 403U);
  for (const char* const bad : {"/auth?deny=", "/auth?deny=200", "/auth?deny=4030"}) {
    EXPECT_FALSE(read_deny(bad)) << bad;
  }
}

}  // namespace
}  // namespace tidegate::server
