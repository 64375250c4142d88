// Segments of a name of their own for tests, removed afterwards.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "adapters/posix/segment.hpp"
#include "adapters/posix/segment_file.hpp"

namespace tidegate::posix {

/// True if all parts stand in the text.
inline testing::AssertionResult says(const std::string& text,
                                     const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string::npos) {
      return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
    }
  }
  return testing::AssertionSuccess();
}

class SegmentFixture : public testing::Test {
 protected:
  SegmentFixture() {
    config_.name_space =
        std::string("test-") + testing::UnitTest::GetInstance()->current_test_info()->name();
    config_.memory.segment = "t" + std::to_string(::getpid());
    config_.memory.capacity = 1'000;
    config_.memory.log_slots = 1'000;
    to_remove_ = path();
  }
  void TearDown() override { ::unlink(to_remove_.c_str()); }

  [[nodiscard]] std::string name() const { return segment_name(config_); }
  [[nodiscard]] std::string path() const { return segment_path(name()); }
  [[nodiscard]] bool exists() const { return ::access(path().c_str(), F_OK) == 0; }

  /// Why the segment cannot be opened; "" if it can.
  [[nodiscard]] std::string fault() const {
    const auto opened = Segment::open(config_);
    return opened ? "" : opened.error().message;
  }
  void create() const {
    const auto created = Segment::open(config_);
    ASSERT_TRUE(created) << created.error().message;
  }

  /// Runs `work` in a child process and returns its pid.
  static pid_t in_child(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    return child;
  }
  /// Waits for a child and returns its exit code, or minus the signal that ended it.
  static int result_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  RateLimitConfig config_;

 private:
  std::string to_remove_;
};

}  // namespace tidegate::posix
