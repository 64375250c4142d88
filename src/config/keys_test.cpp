#include "config/keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace tidegate::config {
namespace {

TEST(KnownKeys, AreToldApartByTheirPaths) {
  std::set<std::string> paths;
  for (const KeyDoc& doc : known_keys()) {
    EXPECT_TRUE(paths.insert(doc.path).second) << doc.path;
    EXPECT_FALSE(doc.type.empty() || doc.standard.empty() || doc.allowed.empty() ||
                 doc.about.empty())
        << doc.path;
  }
  EXPECT_GT(paths.size(), 80u);
}

TEST(ConfigurationPage, ListsExactlyTheKnownKeys) {
  const std::string path = TIDEGATE_ROOT "/docs/configuration.md";
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  const std::string text = page.str();
  const std::string begin = "<!-- keys: begin -->\n";
  const std::string end = "<!-- keys: end -->";
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << path;
  EXPECT_EQ(text.substr(from + begin.size(), to - from - begin.size()), keys_as_markdown())
      << "replace the table between the two marks by this one";
}

}  // namespace
}  // namespace tidegate::config
