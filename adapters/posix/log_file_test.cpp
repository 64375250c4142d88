#include "adapters/posix/log_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace tidegate::posix {
namespace {

class LogFileTest : public testing::Test {
 protected:
  void TearDown() override {
    std::remove(path_.c_str());
    std::remove(rotated_.c_str());
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string path_ = testing::TempDir() + "tidegate-log-" + std::to_string(::getpid());
  std::string rotated_ = path_ + ".1";
};

TEST_F(LogFileTest, AppendsToWhatIsThere) {
  std::ofstream(path_) << "before\n";
  auto log = LogFile::open(path_);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_TRUE(log->write("one\n"));
  EXPECT_TRUE(log->write("two\n"));
  EXPECT_EQ(content(path_), "before\none\ntwo\n");
}

TEST_F(LogFileTest, IsReadableByTheGroupAndNobodyElse) {
  ::umask(0);
  ASSERT_TRUE(LogFile::open(path_));
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST_F(LogFileTest, GoesOnInTheRenamedFileUntilItIsReopened) {
  auto log = LogFile::open(path_);
  ASSERT_TRUE(log);
  log->write("one\n");
  ASSERT_EQ(std::rename(path_.c_str(), rotated_.c_str()), 0);
  log->write("two\n");
  ASSERT_TRUE(log->reopen());
  log->write("three\n");
  EXPECT_EQ(content(rotated_), "one\ntwo\n");
  EXPECT_EQ(content(path_), "three\n");
}

TEST_F(LogFileTest, KeepsTheOldFileIfItCannotBeReopened) {
  auto log = LogFile::open(path_);
  ASSERT_TRUE(log);
  ASSERT_EQ(std::rename(path_.c_str(), rotated_.c_str()), 0);
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  const auto reopened = log->reopen();
  ASSERT_FALSE(reopened);
  EXPECT_NE(reopened.error().message.find(path_), std::string::npos);
  EXPECT_TRUE(log->write("still\n"));
  EXPECT_EQ(content(rotated_), "still\n");
  ::rmdir(path_.c_str());
}

TEST_F(LogFileTest, SaysWhatCannotBeOpened) {
  const auto log = LogFile::open("/nowhere/at/all.log");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().message,
            "the log /nowhere/at/all.log cannot be opened: No such file or directory");
}

TEST_F(LogFileTest, LosesALineOnAFullDiskAndGoesOn) {
  auto log = LogFile::open("/dev/full");
  ASSERT_TRUE(log);
  EXPECT_FALSE(log->write("line\n"));
}

TEST_F(LogFileTest, LosesALineWithoutAReaderAndGoesOn) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto log = LogFile::open(path_);
  ASSERT_TRUE(log);
  ::close(reader);
  EXPECT_FALSE(log->write("line\n")) << "and SIGPIPE has not ended the test";
}

TEST_F(LogFileTest, LosesALineThatStandardErrorHasNoRoomForAndGoesOn) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  while (::write(ends[1], path_.data(), 1) == 1) {
  }
  ASSERT_EQ(::fcntl(ends[1], F_SETFL, 0), 0);

  const int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  auto log = LogFile::open("stderr");
  const bool written = log && log->write("line\n");  // would wait for ever, if it waited
  const int flags = ::fcntl(ends[1], F_GETFL);
  std::array<char, 8192> text{};
  const bool emptied = ::read(ends[0], text.data(), text.size()) > 0;
  const bool later = log && log->write("line\n");
  ::dup2(before, STDERR_FILENO);

  EXPECT_FALSE(written);
  EXPECT_EQ(flags & O_NONBLOCK, 0) << "others who have it must not notice";
  EXPECT_TRUE(emptied && later) << "it goes on when there is room";
  for (const int file : {before, ends[0], ends[1]}) ::close(file);
}

TEST_F(LogFileTest, LosesALineThatASocketHasNoRoomForAndGoesOn) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  auto log = LogFile::open("stderr");
  bool lost = false;
  for (int i = 0; log && !lost && i < 1'000'000; ++i) lost = !log->write("line\n");
  ::dup2(before, STDERR_FILENO);
  EXPECT_TRUE(lost) << "as systemd's journal hands it out";
  for (const int file : {before, ends[0], ends[1]}) ::close(file);
}

TEST_F(LogFileTest, EndsAtTheLargestSizeOfAFileAndNotTheProcess) {
  auto log = LogFile::open(path_);
  ASSERT_TRUE(log);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = 12, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const bool first = log->write("whole 1\n");
  const bool second = log->write("torn 22\n");
  const std::string why = log->what_failed();
  const bool third = log->write("lost 3\n");
  ::setrlimit(RLIMIT_FSIZE, &before);
  const bool fourth = log->write("whole 4\n");

  EXPECT_TRUE(first && fourth);
  EXPECT_FALSE(second || third);
  EXPECT_EQ(why, "No space left on device");
  EXPECT_EQ(content(path_), "whole 1\ntorn\nwhole 4\n") << "lines are whole again";
}

}  // namespace
}  // namespace tidegate::posix
