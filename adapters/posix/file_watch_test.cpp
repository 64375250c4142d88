#include "adapters/posix/file_watch.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "adapters/posix/segment.hpp"

namespace tidegate::posix {
namespace {

constexpr Micros kSecond = 1'000'000;

class Watched : public ::testing::Test {
 protected:
  Watched() : path_(testing::TempDir() + "tidegate-watched-" + std::to_string(::getpid())) {
    write("one");
    watch_.watch({path_});
    watch_.note(now_);
  }
  void TearDown() override { std::remove(path_.c_str()); }

  void write(const std::string& text) const { std::ofstream(path_) << text; }
  bool changed() { return watch_.changed(now_ += kSecond); }

  std::string path_;
  FileWatch watch_;
  Micros now_ = wall_us() + 10 * kSecond;
};

TEST_F(Watched, StaysTheSame) {
  EXPECT_FALSE(changed());
  EXPECT_FALSE(changed());
}

TEST_F(Watched, ChangesWhereItIsWrittenOrReplaced) {
  write("three");
  EXPECT_TRUE(changed());
  EXPECT_TRUE(changed()) << "until it is taken for known";
  watch_.note(now_);
  EXPECT_FALSE(changed());
  std::ofstream(path_ + ".new") << "three";
  std::filesystem::rename(path_ + ".new", path_);
  EXPECT_TRUE(changed());
}

TEST_F(Watched, ComesAndGoes) {
  std::remove(path_.c_str());
  EXPECT_TRUE(changed());
  watch_.note(now_);
  EXPECT_FALSE(changed());
  write("one");
  EXPECT_TRUE(changed());
}

TEST_F(Watched, IsLookedAtOnceASecond) {
  EXPECT_FALSE(changed());
  write("three");
  EXPECT_FALSE(watch_.changed(now_ + kSecond - 1));
  EXPECT_TRUE(watch_.changed(now_ + kSecond));
  EXPECT_TRUE(watch_.changed(now_ - 3'600 * kSecond)) << "by a clock that was set back";
}

TEST_F(Watched, IsNotTrustedSoonAfterAChange) {
  now_ = wall_us() - 10 * kSecond;
  watch_.note(now_);
  EXPECT_TRUE(changed()) << "it may be written again and look the same";
}

TEST_F(Watched, IsUnknownAtFirst) {
  FileWatch other;
  EXPECT_FALSE(other.changed(now_)) << "nothing to look at";
  other.watch({path_});
  EXPECT_TRUE(other.changed(now_ + kSecond));
}

}  // namespace
}  // namespace tidegate::posix
