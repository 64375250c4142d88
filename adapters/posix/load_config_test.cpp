#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tidegate/config.hpp"

namespace tidegate {
namespace {

namespace fs = std::filesystem;
// NOLINTBEGIN(concurrency-mt-unsafe): what the environment does is tested, by a single thread.

/// Each test gets an empty working directory and an environment without our variables.
class LoadConfig : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tidegate-config-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    before_ = fs::current_path();
    fs::current_path(directory_);
    for (const char* variable : {"RATE_LIMIT_CONFIG", "RATE_LIMIT_DEFAULT", "REDIS_URL"}) {
      ::unsetenv(variable);
    }
  }
  void TearDown() override {
    ::unsetenv("RATE_LIMIT_CONFIG");
    ::unsetenv("RATE_LIMIT_DEFAULT");
    fs::current_path(before_);
    fs::remove_all(directory_);
  }

  static void write(const std::string& name, std::uint64_t limit) {
    std::ofstream(name) << "[rate_limiting]\ndefault_limit = " << limit << "\n";
  }
  /// The default limit loaded, 0 if there were faults.
  static std::uint64_t limit_of(const std::optional<std::string>& path = std::nullopt) {
    const auto loaded = load_config(path);
    return loaded ? loaded->config.default_limit.windows.at(0).limit : 0;
  }
  static Fault fault_of(const std::optional<std::string>& path = std::nullopt) {
    const auto loaded = load_config(path);
    EXPECT_FALSE(loaded);
    if (loaded) return {};
    EXPECT_EQ(loaded.error().size(), 1u);
    return loaded.error().front();
  }

 private:
  fs::path directory_;
  fs::path before_;
};

TEST_F(LoadConfig, TakesTheFirstOfFivePlaces) {
  EXPECT_EQ(limit_of(), 100u);
  EXPECT_EQ(load_config()->file, "");
  write("config.toml", 1);
  EXPECT_EQ(limit_of(), 1u);
  write("tidegate.toml", 2);
  EXPECT_EQ(limit_of(), 2u);
  EXPECT_EQ(load_config()->file, "./tidegate.toml");
  write("named.toml", 3);
  ::setenv("RATE_LIMIT_CONFIG", "named.toml", 1);
  EXPECT_EQ(limit_of(), 3u);
  write("given.toml", 4);
  EXPECT_EQ(limit_of("given.toml"), 4u);
}

TEST_F(LoadConfig, LaysTheEnvironmentOverTheFile) {
  write("tidegate.toml", 2);
  ::setenv("RATE_LIMIT_DEFAULT", "5/hour", 1);
  EXPECT_EQ(limit_of(), 5u);
}

TEST_F(LoadConfig, AnEmptyFileIsTheDefaults) {
  std::ofstream("tidegate.toml").flush();
  EXPECT_EQ(limit_of(), 100u);
}

TEST_F(LoadConfig, AFileThatWasNamedMustBeThere) {
  EXPECT_EQ(fault_of("absent.toml").file, "absent.toml");
  ::setenv("RATE_LIMIT_CONFIG", "absent.toml", 1);
  const Fault fault = fault_of();
  EXPECT_EQ(fault.file, "absent.toml");
  EXPECT_NE(fault.message.find("RATE_LIMIT_CONFIG"), std::string::npos);
  ::setenv("RATE_LIMIT_CONFIG", "", 1);
  EXPECT_EQ(limit_of(), 100u);
}

TEST_F(LoadConfig, ADirectoryIsAFault) {
  fs::create_directory("tidegate.toml");
  EXPECT_NE(fault_of().message.find("directory"), std::string::npos);
}

TEST_F(LoadConfig, AFileThatMayNotBeReadIsAFault) {
  if (::geteuid() == 0) {
    // Root reads everything: a name that cannot be resolved stands for it.
    EXPECT_NE(fault_of(std::string(300, 'x')).message.find("cannot be read"), std::string::npos);
    return;
  }
  write("tidegate.toml", 2);
  ::chmod("tidegate.toml", 0);
  EXPECT_NE(fault_of().message.find("cannot be read"), std::string::npos);
}

TEST_F(LoadConfig, ALargeFileIsRefusedUnread) {
  write("exact.toml", 2);
  const auto size = static_cast<std::size_t>(fs::file_size("exact.toml"));
  std::ofstream("exact.toml", std::ios::app) << std::string(kMaxConfigBytes - size, '\n');
  EXPECT_EQ(limit_of("exact.toml"), 2u);
  std::ofstream("exact.toml", std::ios::app) << '\n';
  EXPECT_NE(fault_of("exact.toml").message.find("2 MiB"), std::string::npos);

  // 10 MB that are not there: had they been read, the NULs would be the fault.
  write("large.toml", 2);
  fs::resize_file("large.toml", 10'000'000);
  EXPECT_NE(fault_of("large.toml").message.find("2 MiB"), std::string::npos);
}

TEST_F(LoadConfig, APipeIsReadToItsEnd) {
  ASSERT_EQ(::mkfifo("pipe", 0600), 0);
  std::thread writer([] { write("pipe", 7); });
  EXPECT_EQ(limit_of("pipe"), 7u);
  writer.join();
}

TEST_F(LoadConfig, AFileWithoutEndIsReadNoFurtherThanAllowed) {
  EXPECT_NE(fault_of("/dev/zero").message.find("2 MiB"), std::string::npos);
}

// NOLINTEND(concurrency-mt-unsafe)

}  // namespace
}  // namespace tidegate
