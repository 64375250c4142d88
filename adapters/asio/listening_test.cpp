#include "adapters/asio/listening.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::server {
namespace {

TEST(Listening, TakesAFreePortAndSaysWhere) {
  const auto socket = Listening::on("127.0.0.1:0", "--listen");
  ASSERT_TRUE(socket) << socket.error().error.message;
  EXPECT_TRUE(socket->url().starts_with("http://127.0.0.1:"));
  EXPECT_FALSE(socket->url().ends_with(":0"));
}

TEST(Listening, SaysThatAPortIsTaken) {
  const auto first = Listening::on("127.0.0.1:0", "--listen");
  ASSERT_TRUE(first);
  const std::string address = first->url().substr(7);
  const auto second = Listening::on(address, "--listen");
  ASSERT_FALSE(second);
  EXPECT_FALSE(second.error().usage);
  EXPECT_EQ(second.error().error.message,
            address + " is taken by another program; choose another with --listen");
}

TEST(Listening, NamesTheLoopbackAddressForAllAddresses) {
  const auto socket = Listening::on("0.0.0.0:0", "--listen");
  ASSERT_TRUE(socket);
  EXPECT_TRUE(socket->url().starts_with("http://127.0.0.1:"));
}

TEST(Listening, RefusesWhatIsNoAddress) {
  for (const char* const address :
       {"", "8000", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80",
        "127.0.0.1:80 ", "no such host:80"}) {
    const auto socket = Listening::on(address, "--ops-listen");
    ASSERT_FALSE(socket) << address;
    EXPECT_TRUE(socket.error().usage) << address;
    EXPECT_NE(socket.error().error.message.find("--ops-listen"), std::string::npos);
  }
}

}  // namespace
}  // namespace tidegate::server
