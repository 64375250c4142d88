// What may lie in the place of a segment: cut, damaged, no file at all, somebody else's, replaced.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "adapters/posix/accounts.hpp"
#include "adapters/posix/segment_layout.hpp"
#include "adapters/posix/test_segments.hpp"

namespace tidegate::posix {
namespace {

class SegmentCheckTest : public SegmentFixture {
 protected:
  [[nodiscard]] off_t size() const {
    struct stat status{};
    EXPECT_EQ(::stat(path().c_str(), &status), 0);
    return status.st_size;
  }
  /// Changes bits of one byte of the file.
  void flip(std::size_t at, int bits) const {
    const int file = ::open(path().c_str(), O_RDWR);
    std::uint8_t byte = 0;
    EXPECT_EQ(::pread(file, &byte, 1, static_cast<off_t>(at)), 1);
    byte = static_cast<std::uint8_t>(byte ^ bits);
    EXPECT_EQ(::pwrite(file, &byte, 1, static_cast<off_t>(at)), 1);
    ::close(file);
  }
};

TEST_F(SegmentCheckTest, RefusesAFileThatWasCutOrGrownAndNamesBothSizes) {
  create();
  const off_t whole = size();
  std::vector<off_t> sizes{
      0, 1, sizeof(SegmentHeader) - 1, sizeof(SegmentHeader), whole - 1, whole + 1, 2 * whole};
  for (off_t at = 4096; at < whole; at += 4096 * 61) sizes.push_back(at);
  for (const off_t size : sizes) {
    ASSERT_EQ(::truncate(path().c_str(), whole), 0);
    ASSERT_EQ(::unlink(path().c_str()), 0);
    create();
    ASSERT_EQ(::truncate(path().c_str(), size), 0);
    const std::string cut = std::to_string(size);
    if (size < off_t{sizeof(SegmentHeader)}) {
      EXPECT_TRUE(says(fault(), {"it has " + cut + " bytes", "; stop all programs",
                                 std::to_string(sizeof(SegmentHeader))}));
    } else {
      EXPECT_TRUE(
          says(fault(), {"its size in bytes is " + cut + ", not " + std::to_string(whole)}));
    }
  }
}

TEST_F(SegmentCheckTest, RefusesJunkOfTheRightSize) {
  create();
  const std::string junk(static_cast<std::size_t>(size()), '\xa5');
  std::ofstream(path()) << junk;
  EXPECT_TRUE(says(fault(), {"a5a5a5a5a5a5a5a5"}));
}

TEST_F(SegmentCheckTest, EveryChangedByteOfTheHeaderIsNamedOrMeansNothing) {
  create();
  const HashKey key = Segment::open(config_)->hash_key();
  for (std::size_t at = 0; at < SegmentLayout::kCountersAt; ++at) {
    for (const int bits : {0x01, 0x80, 0xff}) {
      flip(at, bits);
      if (at < sizeof(SegmentHeader)) {
        ASSERT_TRUE(says(fault(), {name(), ", not ", "tidegate segment remove"}))
            << "byte " << at << " changed by " << bits;
      } else {
        const auto opened = Segment::open(config_);
        ASSERT_TRUE(opened) << opened.error().message;
        ASSERT_EQ(opened->hash_key(), key);
      }
      flip(at, bits);
    }
  }
  EXPECT_EQ(fault(), "") << "all was put back";
}

TEST_F(SegmentCheckTest, AnotherKeyIsNoticed) {
  create();
  flip(offsetof(SegmentHeader, hash_key), 0x04);
  EXPECT_TRUE(says(fault(), {"its header was damaged (its checksum is "}));
}

TEST_F(SegmentCheckTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::symlink("/dev/null", path().c_str()), 0);
  EXPECT_TRUE(says(fault(), {"it is a symbolic link, not a regular file"}));
  ASSERT_EQ(::unlink(path().c_str()), 0);

  ASSERT_EQ(::mkdir(path().c_str(), 0600), 0);
  EXPECT_TRUE(says(fault(), {"it is not a regular file"}));
  ASSERT_EQ(::rmdir(path().c_str()), 0);

  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_TRUE(says(fault(), {"it is not a regular file"})) << "and it does not wait for a writer";
}

TEST_F(SegmentCheckTest, RefusesALinkToAWholeSegment) {
  create();
  const std::string target = path() + ".moved";
  ASSERT_EQ(::rename(path().c_str(), target.c_str()), 0);
  EXPECT_EQ(::symlink(target.c_str(), path().c_str()), 0);
  EXPECT_TRUE(says(fault(), {"it is a symbolic link, not a regular file"}));
  ASSERT_EQ(::unlink(path().c_str()), 0);
  EXPECT_EQ(::link(target.c_str(), path().c_str()), 0);
  EXPECT_TRUE(says(fault(), {"it has 2 names (hard links), not 1"}));
  ::unlink(target.c_str());
  EXPECT_EQ(fault(), "") << "the link alone is the file";
}

TEST_F(SegmentCheckTest, IsNotEnteredAfterItWasRemoved) {
  const auto segment = Segment::open(config_);
  ASSERT_TRUE(remove_segment(name()));
  const auto turn = segment->enter();
  ASSERT_FALSE(turn);
  EXPECT_TRUE(says(turn.error().message, {"it was removed or replaced"}));
}

TEST_F(SegmentCheckTest, IsNotEnteredAfterItWasReplaced) {
  const auto segment = Segment::open(config_);
  const std::string aside = path() + ".aside";
  ASSERT_EQ(::rename(path().c_str(), aside.c_str()), 0);
  create();
  const auto turn = segment->enter();
  ::unlink(aside.c_str());
  ASSERT_FALSE(turn) << "it would count where nobody else does";
  EXPECT_TRUE(says(turn.error().message, {"it was removed or replaced"}));
}

TEST_F(SegmentCheckTest, ACutFileThatIsInUseIsRefusedToNewcomers) {
  const auto segment = Segment::open(config_);
  ASSERT_TRUE(segment->enter());
  ASSERT_EQ(::truncate(path().c_str(), 4096), 0);
  EXPECT_TRUE(says(fault(), {"its size in bytes is 4096, not "}));
}

// Who may share a file is worked out from its status alone, so that no test has to be root.
constexpr Opener kMe{.user = 1000, .group = 100};
constexpr uid_t kOther = 1001;
constexpr gid_t kOtherGroup = 101;

struct stat file_of(uid_t user, gid_t group, mode_t mode) {
  struct stat status{};
  status.st_mode = mode;
  status.st_uid = user;
  status.st_gid = group;
  status.st_nlink = 1;
  return status;
}

/// What forbids sharing, with the configuration's mode equal to the file's.
std::vector<std::string> faults(const struct stat& status, const std::string& group = "") {
  MemoryConfig config;
  config.mode = status.st_mode & 07777;
  config.group = group;
  return what_forbids_sharing(status, kMe, config).value();
}
using Faults = std::vector<std::string>;

TEST(WhatForbidsSharing, NothingWhereTheFileIsOnesOwn) {
  EXPECT_EQ(faults(file_of(kMe.user, kMe.group, S_IFREG | 0600)), Faults{});
  EXPECT_EQ(faults(file_of(kMe.user, kOtherGroup, S_IFREG | 0600)), Faults{});
  EXPECT_EQ(faults(file_of(kMe.user, kOtherGroup, S_IFREG | 0660)), Faults{});
}

TEST(WhatForbidsSharing, AnOwnerWhoLetsNobodyElseWrite) {
  const Faults owner_and_group{
      "its owner is " + describe_user(kOther) + ", not " + describe_user(kMe.user),
      "its group is " + describe_group(kOtherGroup) + ", not " + describe_group(kMe.group)};
  EXPECT_EQ(faults(file_of(kOther, kOtherGroup, S_IFREG | 0600)), owner_and_group);
  EXPECT_EQ(faults(file_of(kOther, kMe.group, S_IFREG | 0644)), Faults{owner_and_group[0]});
}

TEST(WhatForbidsSharing, AGroupThatIsNotTheOneMeant) {
  EXPECT_EQ(faults(file_of(kOther, kMe.group, S_IFREG | 0660)), Faults{});
  EXPECT_EQ(faults(file_of(kOther, kOtherGroup, S_IFREG | 0660)).size(), 1U);
  EXPECT_EQ(faults(file_of(kOther, kOtherGroup, S_IFREG | 0660), "101"), Faults{});
  EXPECT_EQ(faults(file_of(kMe.user, kMe.group, S_IFREG | 0660), "101").size(), 1U);
}

TEST(WhatForbidsSharing, NobodyWhereEverybodyMayWrite) {
  EXPECT_EQ(faults(file_of(kOther, kOtherGroup, S_IFREG | 0666)), Faults{});
}

TEST(WhatForbidsSharing, AnotherModeIsNamedWithBoth) {
  const MemoryConfig config;
  const auto found =
      what_forbids_sharing(file_of(kMe.user, kMe.group, S_IFREG | 0640), kMe, config).value();
  EXPECT_EQ(found, Faults{"its mode is 0640, not 0600"});
}

TEST(WhatForbidsSharing, WhateverIsNoFile) {
  for (const mode_t kind :
       std::initializer_list<mode_t>{S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFDIR, S_IFLNK}) {
    EXPECT_EQ(faults(file_of(kMe.user, kMe.group, kind | 0600)),
              Faults{"it is not a regular file"});
  }
}

}  // namespace
}  // namespace tidegate::posix
