// The client against real servers.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/redis/client_fixture.hpp"
#include "tests/redis/redis_server.hpp"

namespace tidegate::redis {
namespace {

using namespace std::chrono_literals;

ClientOptions options_for(const std::string& url) {
  ClientOptions options;
  options.config.url = url;
  options.config.connect_timeout = 300ms;
  options.config.socket_timeout = 500ms;
  options.seed = 1;
  return options;
}

class OneServer : public testing::Test {
 protected:
  [[nodiscard]] std::string url() const { return "unix://" + server_.socket(); }

  RedisServer server_;
};

TEST_F(OneServer, AnswersInTheOrderOfCalls) {
  TestClient client(options_for(url()));
  std::vector<std::uint64_t> numbers;
  for (int i = 0; i < 10'000; ++i) numbers.push_back(client.send({"ECHO", std::to_string(i)}));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(client.wait_for(numbers[i]), std::to_string(i));
  }
  EXPECT_EQ(client.heard.exchanges[Operation::check], 10'000);
  EXPECT_EQ(client.heard.exchanges[Operation::connect], 1);
}

TEST_F(OneServer, IsToldTheScriptOnce) {
  const Script script = make_script("return ARGV[1] .. KEYS[1]");
  TestClient client(options_for(url()));
  const auto call = [&] {
    Call its;
    its.script = &script;
    its.keys = 1;
    its.arguments = {"key", "value"};
    return client.wait_for(client.send(std::move(its)));
  };
  EXPECT_EQ(call(), "valuekey");
  EXPECT_EQ(call(), "valuekey");
  EXPECT_EQ(client.heard.exchanges[Operation::script_load], 1);
  EXPECT_EQ(client.heard.exchanges[Operation::check], 1);
  server_.command({"SCRIPT", "FLUSH"});
  EXPECT_EQ(call(), "valuekey");
  EXPECT_EQ(client.heard.exchanges[Operation::script_load], 2);
}

TEST_F(OneServer, ChoosesTheDatabase) {
  TestClient client(options_for(url() + "?db=3"));
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
  const Context context = server_.connect();
  RedisServer::command(*context, {"SELECT", "3"});
  EXPECT_STREQ(RedisServer::command(*context, {"GET", "k"})->str, "v");
}

TEST_F(OneServer, ThatIsGoneFailsCallsAtOnceAndIsFoundAgain) {
  TestClient client(options_for(url()));
  ASSERT_EQ(client.ask({"PING"}), "PONG");
  server_.stop(SIGKILL);
  EXPECT_EQ(client.ask({"PING"}), "!refused");
  EXPECT_EQ(client.ask({"PING"}), "!refused");
  server_.start();
  EXPECT_TRUE(client.run_until([&] { return client.heard.times_ready == 2; })) << "without a call";
  EXPECT_EQ(client.ask({"PING"}), "PONG");
}

TEST_F(OneServer, ThatStandsStillFailsCallsAtTheirDeadlines) {
  TestClient client(options_for(url()));
  ASSERT_EQ(client.ask({"INCR", "n"}), "1");
  server_.signal(SIGSTOP);
  const Micros began = steady_us();
  const std::uint64_t late = client.send({"INCR", "n"}, 50'000);
  EXPECT_EQ(client.wait_for(late), "!timeout");
  EXPECT_LT(steady_us() - began, 150'000U);
  EXPECT_TRUE(client.heard.failures[late].maybe_executed);
  server_.signal(SIGCONT);
  // The late reply belongs to nobody; the next call has its own.
  EXPECT_EQ(client.ask({"INCR", "n"}), "3") << "it was done, and not done again";
}

TEST_F(OneServer, ThatStandsStillForLongIsLeft) {
  TestClient client(options_for(url()));
  ASSERT_EQ(client.ask({"PING"}), "PONG");
  server_.signal(SIGSTOP);
  EXPECT_EQ(client.ask({"PING"}, 50'000), "!timeout");
  client.run_for(700'000);  // the socket's timeout is half a second
  EXPECT_EQ((client.heard.errors[{Operation::connect, ErrorType::timeout}]), 1);
  client.run_for(700'000);
  EXPECT_GE((client.heard.errors[{Operation::connect, ErrorType::timeout}]), 2)
      << "it takes connections and does not greet";
  server_.signal(SIGCONT);
  EXPECT_TRUE(client.run_until([&] { return client.heard.times_ready >= 2; }));
  EXPECT_EQ(client.ask({"PING"}), "PONG");
}

TEST_F(OneServer, MayBeFullAndSaysSo) {
  TestClient client(options_for(url()));
  server_.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "!oom");
  server_.command({"CONFIG", "SET", "maxmemory", "0"});
  server_.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "!noreplicas");
  server_.command({"REPLICAOF", "127.0.0.1", "1"});
  server_.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "!readonly");
}

TEST_F(OneServer, IsOnlyAskedWhatWasNotCancelled) {
  TestClient client(options_for(url()));
  const std::uint64_t number = client.send({"INCR", "n"});
  client.client().cancel(number);
  EXPECT_EQ(client.ask({"GET", "n"}), "") << "it had not left";
  EXPECT_FALSE(client.heard.ended(number));
}

TEST_F(OneServer, GetsMoreLinksWhenOneIsBusyButNoMoreThanAllowed) {
  ClientOptions options = options_for(url());
  options.connections = 3;
  TestClient client(std::move(options));
  ASSERT_EQ(client.ask({"PING"}), "PONG");
  std::vector<std::uint64_t> numbers;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 200; ++i) numbers.push_back(client.send({"PING"}));
    client.run_for(200);
  }
  for (const std::uint64_t number : numbers) ASSERT_EQ(client.wait_for(number), "PONG");
  EXPECT_GT(client.heard.exchanges[Operation::connect], 1);
  EXPECT_LE(client.heard.exchanges[Operation::connect], 3);
}

TEST(Passwords, LetInAndAreNeverTold) {
  const RedisServer server({"--requirepass", "open sesame"});
  const std::string socket = server.socket();
  EXPECT_EQ(TestClient(options_for("unix://:open%20sesame@" + socket)).ask({"PING"}), "PONG");
  for (const std::string login : {"", ":wrong-secret@", "user:wrong-secret@"}) {
    std::string url("unix://");
    url += login;
    url += socket;
    TestClient client(options_for(url));
    const std::uint64_t number = client.send({"PING"});
    EXPECT_EQ(client.wait_for(number), "!auth") << login;
    EXPECT_EQ(client.heard.failures[number].message.find("wrong-secret"), std::string::npos)
        << client.heard.failures[number].message;
    EXPECT_GE((client.heard.errors[{Operation::connect, ErrorType::auth}]), 1);
  }
}

TEST(Passwords, OfUsersOfAnAccessListWork) {
  const RedisServer server({"--user", "limiter", "on", ">secret", "~ratelimit:*", "+ping", "+get"});
  TestClient client(options_for("unix://limiter:secret@" + server.socket()));
  EXPECT_EQ(client.ask({"GET", "ratelimit:x"}), "");
  EXPECT_EQ(client.ask({"SET", "ratelimit:x", "1"}), "!auth") << "NOPERM";
}

TEST(Nobody, AnswersWhereNobodyListens) {
  TestClient client(options_for("redis://127.0.0.1:1"));
  const Micros began = steady_us();
  EXPECT_EQ(client.ask({"PING"}), "!refused");
  EXPECT_LT(steady_us() - began, 500'000U) << "at once";
  TestClient unknown(options_for("redis://no-such-host.invalid:6379"));
  EXPECT_EQ(unknown.ask({"PING"}), "!refused");
}

TEST(Nobody, AnswersWhoListensAndIsNoRedis) {
  const posix::FileDescriptor listening(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listening.get(), 8), 0);
  ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size);
  TestClient client(options_for("redis://127.0.0.1:" + std::to_string(ntohs(address.sin_port))));
  std::thread liar([&] {
    const posix::FileDescriptor peer(::accept(listening.get(), nullptr, nullptr));
    constexpr std::string_view kLie = "*2147483647\r\n";
    ::send(peer.get(), kLie.data(), kLie.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (::recv(peer.get(), &byte, 1, 0) > 0) {
    }
  });
  EXPECT_EQ(client.ask({"PING"}), "!protocol");
  liar.join();
  EXPECT_GE((client.heard.errors[{Operation::connect, ErrorType::protocol}]), 1);
  EXPECT_EQ(client.ask({"PING"}, 50'000), "!timeout") << "it is never accepted again";
}

}  // namespace
}  // namespace tidegate::redis
