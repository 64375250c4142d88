#include "adapters/posix/segment_config.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace tidegate::posix {
namespace {

struct Memory {
  std::unique_ptr<SharedConfig> shared = std::make_unique<SharedConfig>();
  std::vector<std::byte> text = std::vector<std::byte>(1 << 16);
  SegmentConfig config{*shared, text};
};

TEST(SegmentConfig, KeepsATextAndCountsItsGenerations) {
  Memory memory;
  EXPECT_EQ(memory.config.generation(), 0U);
  EXPECT_FALSE(memory.config.read());
  EXPECT_EQ(memory.config.write("a = 1\n", "first.toml"), 1U);
  EXPECT_EQ(memory.config.write(std::string(60'000, 'x'), "second.toml"), 2U);
  EXPECT_EQ(memory.config.write("", "the defaults"), 3U);
  const auto found = memory.config.read();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->generation, 3U);
  EXPECT_EQ(found->text, "");
  EXPECT_EQ(found->source, "the defaults");
}

TEST(SegmentConfig, DoesNotBelieveATextThatWasNotWrittenWhole) {
  Memory memory;
  memory.config.write("limit = 100\n", "a");
  const SharedConfig& shared = *memory.shared;
  for (const std::size_t at : {0U, 7U, 11U}) {
    memory.text[at] ^= std::byte{1};
    EXPECT_FALSE(memory.config.read());
    memory.text[at] ^= std::byte{1};
  }
  EXPECT_TRUE(memory.config.read());
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{11}, ~std::uint64_t{0}}) {
    const std::uint64_t right = shared.text_bytes;
    memory.shared->text_bytes = bytes;
    EXPECT_FALSE(memory.config.read());
    memory.shared->text_bytes = right;
  }
  EXPECT_EQ(memory.config.write("limit = 7\n", "b"), 2U) << "the next one puts it right";
  EXPECT_EQ(memory.config.read()->text, "limit = 7\n");
}

TEST(SegmentConfig, RemembersWhatBecameOfReloads) {
  Memory memory;
  memory.config.note_refused("f:1:2: wrong", 5);
  EXPECT_EQ(memory.config.state().failed, 1U);
  EXPECT_EQ(memory.config.state().last_error, "f:1:2: wrong");
  EXPECT_EQ(memory.config.state().last_error_us, 5U);
  memory.config.note_refused(std::string(10'000, 'x'), 6);
  EXPECT_EQ(memory.config.state().last_error, std::string(4'096, 'x'));
  memory.config.note_done();
  EXPECT_EQ(memory.config.state().succeeded, 1U);
  EXPECT_EQ(memory.config.state().failed, 2U);
  EXPECT_EQ(memory.config.state().last_error, "");
}

TEST(SegmentConfig, AShortTextIsNeverSeenHalfWritten) {
  Memory memory;
  std::atomic<bool> stop = false;
  std::atomic<bool> mixed = false;
  std::thread reader([&] {
    while (!stop) {
      const std::string seen = memory.config.state().last_error;
      if (seen.find_first_not_of(seen.empty() ? 'x' : seen[0]) != std::string::npos) mixed = true;
    }
  });
  for (int i = 0; i < 3'000; ++i) {
    memory.config.note_refused(
        std::string(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26)), 0);
  }
  stop = true;
  reader.join();
  EXPECT_FALSE(mixed);
}

TEST(SegmentConfig, CountsRequestsByTheMinute) {
  Memory memory;
  const Micros minute = Micros{60'000'000} * 30'000'000;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(memory.config.count_request(minute + 1, 5), 0U);
  EXPECT_EQ(memory.config.count_request(minute + 20'000'000, 5), 40U);
  EXPECT_EQ(memory.config.count_request(minute + 59'999'999, 5), 1U);
  EXPECT_EQ(memory.config.count_request(minute + 60'000'000, 5), 0U);
}

}  // namespace
}  // namespace tidegate::posix
