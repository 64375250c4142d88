#include "adapters/http/admin_reset.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidegate::server {
namespace {

const std::vector<std::string> kRules{"default", "search"};

TEST(AdminReset, ReadsEachForm) {
  const auto client = read_reset(R"({"client":"user:42"})", kRules);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->client, "user:42");
  EXPECT_EQ(client->rule, "");
  const auto under = read_reset(R"({"rule":"search","client":"user:\u00e9"})", kRules);
  ASSERT_TRUE(under);
  EXPECT_EQ(under->client, "user:\xc3\xa9");
  EXPECT_EQ(under->rule, "search");
  const auto all = read_reset(R"({"rule":"search","all_clients":true})", kRules);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->client, "");
  EXPECT_EQ(all->rule, "search");
}

/// The status, and all faults in one line.
std::string fault_of(std::string_view body) {
  const auto read = read_reset(body, kRules);
  if (read) return "none";
  std::string text = std::to_string(read.error().status);
  for (const std::string& fault : read.error().faults) text += " | " + fault;
  return text;
}

TEST(AdminReset, SaysWhatWouldBeRight) {
  for (const std::string_view body :
       {"", "{", "client=x", "{\"client\":\"\xff\"}", "[[[[[[]]]]]]"}) {
    EXPECT_TRUE(fault_of(body).starts_with("400 | the body is no JSON")) << body;
    EXPECT_NE(fault_of(body).find(R"({"client":"user:42"})"), std::string::npos) << body;
  }
  EXPECT_TRUE(fault_of("[]").starts_with("422 | the body is no object"));
  for (const std::string_view body : {"{}", R"({"rule":"search"})", R"({"all_clients":true})"}) {
    EXPECT_TRUE(fault_of(body).starts_with("422 | nobody is named")) << body;
  }
  EXPECT_EQ(fault_of(R"({"client":"x","rule":"serch"})"),
            R"(422 | rule: there is no rule "serch"; there are default, search)");
  EXPECT_EQ(fault_of(R"({"client":"x","rule":"search","all_clients":true})"),
            "422 | client and all_clients exclude each other");
  EXPECT_EQ(fault_of(R"({"client":"x","rule":"search","all_clients":false})"),
            "422 | all_clients: only true is allowed");
}

TEST(AdminReset, ReportsEveryFaultAtOnce) {
  EXPECT_EQ(fault_of(R"({"client":5,"rule":"","tier":"x"})"),
            "422 | client: a string that is not empty is allowed"
            " | rule: a string that is not empty is allowed"
            " | tier: no such member; client, rule and all_clients are allowed");
  const std::string huge(1025, 'x');
  EXPECT_EQ(fault_of(R"({"client":")" + huge + "\"}"),
            "422 | client: 1025 bytes; at most 1024 are allowed");
}

}  // namespace
}  // namespace tidegate::server
