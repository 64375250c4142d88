#include "adapters/posix/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "adapters/posix/segment_layout.hpp"
#include "adapters/posix/test_segments.hpp"

namespace tidegate::posix {
namespace {

class SegmentTest : public SegmentFixture {
 protected:
  /// Overwrites a member of the header in the file, and seals it again.
  template <class T>
  void overwrite(T SegmentHeader::* member, T value) {
    SegmentHeader header;
    const int file = ::open(path().c_str(), O_RDWR);
    ASSERT_EQ(::pread(file, &header, sizeof header, 0), ssize_t{sizeof header});
    header.*member = value;
    header.checksum = header.right_checksum();
    ASSERT_EQ(::pwrite(file, &header, sizeof header, 0), ssize_t{sizeof header});
    ::close(file);
  }
};

TEST_F(SegmentTest, IsCreatedOnceAndThenShared) {
  const auto first = Segment::open(config_);
  const auto second = Segment::open(config_);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->created());
  EXPECT_FALSE(second->created());
  EXPECT_EQ(first->hash_key(), second->hash_key());
  first->counters_memory()[0] = std::byte{42};
  EXPECT_EQ(second->counters_memory()[0], std::byte{42});
}

TEST_F(SegmentTest, HasAKeyOfItsOwn) {
  const auto one = Segment::open(config_);
  config_.memory.segment.clear();
  const auto other = Segment::open(config_);
  ASSERT_TRUE(one && other);
  EXPECT_NE(one->hash_key(), other->hash_key());
}

TEST_F(SegmentTest, IsPrivateWithoutAName) {
  config_.memory.segment.clear();
  const auto one = Segment::open(config_);
  const auto other = Segment::open(config_);
  ASSERT_TRUE(one && other);
  one->counters_memory()[0] = std::byte{42};
  EXPECT_EQ(other->counters_memory()[0], std::byte{0});
  EXPECT_FALSE(Segment::open_existing(config_));
}

TEST_F(SegmentTest, IsOneWhenManyCreateItAtOnce) {
  constexpr int kCreators = 8;
  std::vector<pid_t> children;
  for (int i = 0; i < kCreators; ++i) {
    children.push_back(in_child([&] {
      const auto opened = Segment::open(config_);
      if (!opened) return 99;
      ++reinterpret_cast<std::atomic<std::uint32_t>&>(opened->counters_memory()[0]);
      return opened->created() ? 1 : 0;
    }));
  }
  int creators = 0;
  for (const pid_t child : children) {
    const int result = result_of(child);
    EXPECT_NE(result, 99);
    creators += result;
  }
  EXPECT_EQ(creators, 1);
  const auto opened = Segment::open_existing(config_);
  ASSERT_TRUE(opened);
  EXPECT_EQ(reinterpret_cast<std::atomic<std::uint32_t>&>(opened->counters_memory()[0]), 8U)
      << "all of them have the same memory";
}

TEST_F(SegmentTest, IsNotThereBeforeSomebodyCreatedIt) {
  const auto opened = Segment::open_existing(config_);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(says(opened.error().message, {"there is no segment " + name()}));
}

TEST_F(SegmentTest, NamesBothValuesOfWhatDiffers) {
  create();
  config_.memory.capacity = 2'000;
  config_.memory.log_slots = 3'000;
  EXPECT_TRUE(says(fault(), {name(), "its capacity is 1000, not 2000",
                             "its log_slots is 1000, not 3000", "tidegate segment remove"}));
}

TEST_F(SegmentTest, NamesBothModes) {
  create();
  config_.memory.mode = 0660;
  EXPECT_TRUE(says(fault(), {"its mode is 0600, not 0660"}));
}

TEST_F(SegmentTest, GetsItsModeWhateverTheUmaskSays) {
  const mode_t before = ::umask(0777);
  config_.memory.mode = 0660;
  create();
  ::umask(before);
  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660U);
  EXPECT_EQ(fault(), "");
}

TEST_F(SegmentTest, RefusesAnotherMagicAndLayout) {
  create();
  overwrite(&SegmentHeader::layout, SegmentHeader::kLayout + 1);
  EXPECT_TRUE(says(fault(), {fmt::format("its layout version is {}, not {}",
                                         SegmentHeader::kLayout + 1, SegmentHeader::kLayout)}));
  overwrite(&SegmentHeader::magic, std::uint64_t{0xfeed});
  EXPECT_TRUE(says(fault(), {"does not begin like a segment (000000000000feed, not "}));
}

TEST_F(SegmentTest, RefusesAClockThatIsFarFromTheWallClock) {
  create();
  SegmentHeader header;
  std::ifstream(path()).read(reinterpret_cast<char*>(&header), sizeof header);
  overwrite(&SegmentHeader::clock_offset_us, header.clock_offset_us + 3'700'000'000);
  EXPECT_TRUE(says(fault(), {"its clock is 3", "s ahead of the wall clock"}));
  overwrite(&SegmentHeader::clock_offset_us, header.clock_offset_us - 60'000'000);
  const auto opened = Segment::open(config_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_NEAR(static_cast<double>(opened->drift_us()), -60e6, 5e6);
}

TEST_F(SegmentTest, HasOneClockForAllProcesses) {
  const auto segment = Segment::open(config_);
  ASSERT_TRUE(segment);
  const Micros before_us = segment->now_us();
  EXPECT_NEAR(static_cast<double>(before_us), static_cast<double>(wall_us()), 5e6);
  auto& theirs = reinterpret_cast<std::atomic<Micros>&>(segment->counters_memory()[0]);
  EXPECT_EQ(result_of(in_child([&] {
              const auto again = Segment::open(config_);
              if (again) theirs = again->now_us();
              return 0;
            })),
            0);
  EXPECT_GE(theirs, before_us);
  EXPECT_LE(theirs, segment->now_us());
}

TEST_F(SegmentTest, IsAnErrorAtStartIfItDoesNotFit) {
  config_.memory.capacity = 2'000'000'000;
  EXPECT_TRUE(says(fault(), {"cannot create the segment " + name(), "/dev/shm has ",
                             "lower capacity or log_slots"}));
  EXPECT_FALSE(exists());
  config_.memory.segment.clear();
  EXPECT_TRUE(says(fault(), {"cannot create private memory"}));
}

TEST_F(SegmentTest, SaysWhichGroupThereIsNot) {
  config_.memory.group = "no-such-group";
  EXPECT_TRUE(says(fault(), {"group = \"no-such-group\": there is no such group"}));
  EXPECT_FALSE(exists());
}

TEST_F(SegmentTest, TellsWhoIsAloneInIt) {
  const auto segment = Segment::open(config_);
  ASSERT_TRUE(segment);
  {
    const auto turn = segment->enter();
    ASSERT_TRUE(turn);
    EXPECT_TRUE(turn->alone());
  }
  const auto other = Segment::open(config_);
  {
    const auto turn = other->enter();
    ASSERT_TRUE(turn);
    EXPECT_FALSE(turn->alone());
  }
}

TEST_F(SegmentTest, DoesNotCountTheDead) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = in_child([&] {
    const auto segment = Segment::open(config_);
    const auto turn = segment->enter();  // and keeps it
    ::write(ready[1], "x", 1);
    ::pause();
    return 0;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  EXPECT_EQ(result_of(child), -SIGKILL);
  const auto segment = Segment::open(config_);
  const auto turn = segment->enter();
  ASSERT_TRUE(turn) << turn.error().message;
  EXPECT_TRUE(turn->alone());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(SegmentTest, IsListedWithWhatItIs) {
  const auto segment = Segment::open(config_);
  const auto turn = segment->enter();
  auto list = list_segments();
  auto found = std::ranges::find(list, name(), &SegmentInfo::name);
  ASSERT_NE(found, list.end());
  EXPECT_EQ(found->path, path());
  EXPECT_TRUE(says(found->detail, {"capacity 1000", "mode 0600", "in use"}));

  std::ofstream(path()) << "junk";
  list = list_segments();
  found = std::ranges::find(list, name(), &SegmentInfo::name);
  ASSERT_NE(found, list.end());
  EXPECT_EQ(found->detail, "not a segment");
}

TEST_F(SegmentTest, IsRemovedByItsName) {
  create();
  ASSERT_TRUE(remove_segment(name()));
  EXPECT_FALSE(exists());
  const auto again = remove_segment(name());
  ASSERT_FALSE(again);
  EXPECT_TRUE(says(again.error().message, {"there is no segment " + name()}));
  EXPECT_FALSE(remove_segment("../../etc/passwd"));
}

}  // namespace
}  // namespace tidegate::posix
