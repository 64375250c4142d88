// The guard with a network that the test plays: what is written is looked at, and answered or not.
#include "store/guard/guard.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace tidegate {
namespace {

using std::literals::string_view_literals::operator""sv;

constexpr Micros kStart = 1'000'000'000;
constexpr Micros kDeadline = 50'000;

class PlayedNetwork final : public redis::Network {
 public:
  void open(redis::LinkId link, const redis::Endpoint& to) override {
    opened.push_back(link);
    ports[link] = to.port;
  }
  void write(redis::LinkId link, std::string_view bytes) override { written[link] += bytes; }
  void close(redis::LinkId link) override { closed.push_back(link); }
  void wake_at(Micros time) override { wakes = time; }

  std::vector<redis::LinkId> opened;
  std::map<redis::LinkId, std::uint16_t> ports;
  std::vector<redis::LinkId> closed;
  std::map<redis::LinkId, std::string> written;
  Micros wakes = kNever;
};

class Told final : public GuardObserver {
 public:
  void on_exchange(redis::Operation, Micros) override {}
  void on_error(redis::Operation operation, redis::ErrorType type) override {
    ++errors[{operation, type}];
  }
  void on_event(std::string_view event, std::string_view) override { events.emplace_back(event); }

  std::map<std::pair<redis::Operation, redis::ErrorType>, int> errors;
  std::vector<std::string> events;
};

class Asked final : public Question {
 public:
  explicit Asked(const Counter& counter, std::uint64_t client = 1) {
    charge = {.counter = &counter, .client = {client, 1}, .cost = 1};
    check = {.charges = {&charge, 1}, .enforced = 1, .penalties = nullptr, .client = {client, 1}};
    verdicts = {&verdict, 1};
  }
  void answered() override { ++answers; }

  Charge charge;
  Verdict verdict;
  int answers = 0;
};

class AGuard : public testing::Test {
 protected:
  AGuard() {
    counter_.window = make_window(Algorithm::token_bucket,
                                  {.limit = 5, .window = std::chrono::seconds(60), .burst = {}});
    counter_.rule_name = "default";
    counter_.key = {3, 4};
  }

  void make(FailureMode mode, RedisConfig::Topology topology = RedisConfig::Topology::single) {
    redis::ClientOptions client;
    client.config.url = "redis://127.0.0.1:6379";
    client.config.topology = topology;
    guard_ = std::make_unique<Guard>(
        Guard::Options{.failure_mode = mode,
                       .decision_timeout_us = kDeadline,
                       .breaker = {.threshold = 3, .timeout_us = 1'000'000, .patience_us = 100'000},
                       .seed = 1},
        std::move(client), redis::CheckCodec(redis::KeyNames("p", "n")), network_, memory_, told_);
  }
  /// The client connects and is greeted.
  void connect() {
    guard_->client().connect(now_);
    const redis::LinkId link = network_.opened.back();
    guard_->client().on_open(link, now_);
    network_.written.clear();
    guard_->client().on_bytes(link, "+PONG\r\n", now_);
  }
  void reply(std::string_view bytes) {
    guard_->client().on_bytes(network_.opened.back(), bytes, now_);
  }
  /// Asks, and ends the turn.
  void send(Asked& question) {
    ASSERT_FALSE(guard_->ask(question, now_));
    guard_->flush(now_);
  }
  [[nodiscard]] std::size_t calls_written() {
    const std::string& bytes = network_.written[network_.opened.back()];
    std::size_t calls = 0;
    for (std::size_t at = bytes.find("EVAL"); at != std::string::npos;
         at = bytes.find("EVAL", at + 1)) {
      ++calls;
    }
    return calls;
  }
  /// Asks and lets the deadline pass.
  void time_out() {
    Asked question(counter_);
    if (guard_->ask(question, now_)) return;
    guard_->flush(now_);
    now_ += kDeadline;
    guard_->client().on_time(now_);
    EXPECT_EQ(question.answers, 1);
  }

  Counter counter_;
  PlayedNetwork network_;
  Told told_;
  GuardMemory memory_{};
  Micros now_ = kStart;
  std::unique_ptr<Guard> guard_;
};

// Packed lists (see check.lua): four remain, and all are back after 12 us; none does, for 12 s.
constexpr std::string_view kAdmitted = "$5\r\n\x94\0\x08\x0c\x0c\r\n"sv;
constexpr std::string_view kDenied = "$14\r\n\x95\0\1\xce\x03\x93\x87\0\x0c\xce\0\xb7\x1b\1\r\n"sv;

TEST_F(AGuard, AsksAllOfATurnInOneCall) {
  make(FailureMode::fail_closed);
  connect();
  std::deque<Asked> questions;
  for (std::uint64_t client = 0; client < 40; ++client) {
    questions.emplace_back(counter_, client);
    EXPECT_FALSE(guard_->ask(questions.back(), now_));
  }
  EXPECT_EQ(calls_written(), 0U) << "before the turn ends";
  guard_->flush(now_);
  EXPECT_EQ(calls_written(), 2U) << "32 and 8";
}

TEST_F(AGuard, HandsOutTheAnswer) {
  make(FailureMode::fail_closed);
  connect();
  Asked question(counter_);
  send(question);
  reply(kAdmitted);
  ASSERT_EQ(question.answers, 1);
  EXPECT_EQ(question.by, AnsweredBy::store);
  EXPECT_TRUE(question.verdict.admitted);
  EXPECT_EQ(question.verdict.quota.remaining, 4U);
}

TEST_F(AGuard, AnswersByItsModeAtTheDeadline) {
  for (const auto& [mode, by] : {std::pair{FailureMode::fail_open, AnsweredBy::fail_open},
                                 std::pair{FailureMode::fail_closed, AnsweredBy::fail_closed},
                                 std::pair{FailureMode::local, AnsweredBy::local}}) {
    make(mode);
    connect();
    Asked question(counter_);
    send(question);
    guard_->client().on_time(now_ + kDeadline - 1);
    EXPECT_EQ(question.answers, 0);
    guard_->client().on_time(now_ + kDeadline);
    EXPECT_EQ(question.answers, 1);
    EXPECT_EQ(question.by, by);
    if (mode == FailureMode::fail_closed) {
      EXPECT_GE(question.retry_us, 1'000'000U);
    }
    // The late answer is nobody's.
    reply(kAdmitted);
    EXPECT_EQ(question.answers, 1);
    EXPECT_FALSE(question.verdict.admitted);
  }
}

TEST_F(AGuard, LetsNobodyWaitOnceTheBreakerIsOpen) {
  make(FailureMode::fail_open);
  connect();
  for (int i = 0; i < 3; ++i) time_out();
  EXPECT_EQ(told_.events, std::vector<std::string>{"redis_outage_began"});
  Asked question(counter_);
  EXPECT_TRUE(guard_->ask(question, now_)) << "at once";
  EXPECT_EQ(question.by, AnsweredBy::fail_open);
}

TEST_F(AGuard, ProbesWithOneCheckAndGoesOnWhenThatIsAnswered) {
  make(FailureMode::fail_open);
  connect();
  for (int i = 0; i < 3; ++i) time_out();
  now_ += 1'000'000;
  Asked probe(counter_, 1);
  Asked other(counter_, 2);
  EXPECT_FALSE(guard_->ask(probe, now_));
  EXPECT_TRUE(guard_->ask(other, now_)) << "one is enough";
  guard_->flush(now_);
  for (int late = 0; late < 3; ++late) reply(kAdmitted);
  reply(kAdmitted);
  EXPECT_EQ(probe.answers, 1);
  EXPECT_EQ(probe.by, AnsweredBy::store);
  EXPECT_EQ(told_.events.back(), "redis_outage_ended");
  Asked next(counter_, 3);
  EXPECT_FALSE(guard_->ask(next, now_));
}

TEST_F(AGuard, ProbesAgainAtOnceWhereTheConnectionCameTooLateForAProbe) {
  make(FailureMode::fail_open);
  connect();
  for (int i = 0; i < 3; ++i) time_out();
  guard_->client().on_close(network_.opened.back(), redis::ErrorType::refused, "gone", now_);
  now_ += 1'000'000;
  Asked probe(counter_, 1);
  EXPECT_FALSE(guard_->ask(probe, now_));
  guard_->client().on_time(now_);
  guard_->client().on_open(network_.opened.back(), now_);
  reply("+PONG\r\n");
  now_ += kDeadline;
  guard_->client().on_time(now_);
  EXPECT_EQ(probe.by, AnsweredBy::fail_open);
  Asked next(counter_, 2);
  EXPECT_FALSE(guard_->ask(next, now_)) << "the new connection has not been tried";
}

TEST_F(AGuard, RemembersDenialsOnlyWhileTheStoreIsTrusted) {
  make(FailureMode::fail_open);
  connect();
  Asked first(counter_);
  send(first);
  reply(kDenied);
  Asked again(counter_);
  ASSERT_TRUE(guard_->ask(again, now_)) << "without asking";
  EXPECT_EQ(again.by, AnsweredBy::store);
  EXPECT_FALSE(again.verdict.admitted);

  guard_->client().on_close(network_.opened.back(), redis::ErrorType::refused, "gone", now_);
  Asked after(counter_);
  EXPECT_FALSE(guard_->ask(after, now_)) << "the connection was lost: it is asked";
}

TEST_F(AGuard, ForgetsDenialsWhenSomebodyResets) {
  make(FailureMode::fail_open);
  connect();
  Asked first(counter_);
  send(first);
  reply(kDenied);
  ++memory_.resets;
  Asked again(counter_);
  EXPECT_FALSE(guard_->ask(again, now_));
}

TEST_F(AGuard, TellsOneClientsForeignValueFromAnOutage) {
  make(FailureMode::fail_closed);
  connect();
  Asked foreign(counter_, 1);
  Asked good(counter_, 2);
  ASSERT_FALSE(guard_->ask(foreign, now_));
  send(good);
  reply("$7\r\n\x95\0\xa1k\x08\x0c\x0c\r\n"sv);
  EXPECT_EQ(foreign.by, AnsweredBy::fail_closed);
  EXPECT_EQ(good.by, AnsweredBy::store);
  EXPECT_TRUE(good.verdict.admitted);
  EXPECT_EQ(memory_.breakers[0].failures, 0U);
}

TEST_F(AGuard, CountsAReplyThatIsNoneAsAFailure) {
  make(FailureMode::fail_closed);
  connect();
  Asked question(counter_);
  send(question);
  reply("$1\r\n0\r\n");
  EXPECT_EQ(question.by, AnsweredBy::fail_closed);
  EXPECT_EQ(memory_.breakers[0].failures, 1U);
  EXPECT_EQ((told_.errors[{redis::Operation::check, redis::ErrorType::protocol}]), 1);
}

TEST_F(AGuard, DoesNotSendAgainWhatMayHaveBeenCounted) {
  make(FailureMode::fail_open);
  connect();
  Asked question(counter_);
  send(question);
  const std::size_t links = network_.opened.size();
  guard_->client().on_close(network_.opened.back(), redis::ErrorType::refused, "gone", now_);
  EXPECT_EQ(question.answers, 1);
  EXPECT_EQ(question.by, AnsweredBy::fail_open);
  now_ += 100'000;
  guard_->client().on_time(now_);
  ASSERT_GT(network_.opened.size(), links) << "it connects again";
  guard_->client().on_open(network_.opened.back(), now_);
  reply("+PONG\r\n");
  guard_->flush(now_);
  EXPECT_EQ(calls_written(), 0U);
}

TEST_F(AGuard, ForgetsWhoIsCancelled) {
  make(FailureMode::fail_open);
  connect();
  Asked queued(counter_, 1);
  Asked sent(counter_, 2);
  send(sent);
  ASSERT_FALSE(guard_->ask(queued, now_));
  guard_->cancel(queued);
  guard_->cancel(sent);
  guard_->flush(now_);
  reply(kAdmitted);
  EXPECT_EQ(calls_written(), 1U);
  EXPECT_EQ(queued.answers + sent.answers, 0);
}

TEST_F(AGuard, HasABreakerForEachServerOfACluster) {
  make(FailureMode::fail_open, RedisConfig::Topology::cluster);
  connect();
  constexpr std::string_view kLower = "*3\r\n:0\r\n:8191\r\n*2\r\n$9\r\n127.0.0.1\r\n:6379\r\n";
  constexpr std::string_view kUpper = "*3\r\n:8192\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:7000\r\n";
  const redis::LinkId seed = network_.opened.back();
  guard_->client().on_bytes(seed, fmt::format("*2\r\n{}{}", kLower, kUpper), now_);
  const redis::CheckCodec codec(redis::KeyNames("p", "n"));
  const auto client_of = [&](bool upper) {
    std::uint64_t client = 1;
    while ((codec.slot_of(Asked(counter_, client).check) >= 8192) != upper) ++client;
    return client;
  };
  const std::uint64_t of_dead = client_of(true);
  const std::uint64_t of_living = client_of(false);

  for (int failures = 0; failures < 3; ++failures) {
    Asked question(counter_, of_dead);
    send(question);
    now_ += 30'000;
    guard_->client().on_time(now_);  // it connects when it may
    const redis::LinkId link = network_.opened.back();
    ASSERT_EQ(network_.ports[link], 7000);
    guard_->client().on_close(link, redis::ErrorType::refused, "refused", now_);
    now_ += kDeadline;
    guard_->client().on_time(now_);
    EXPECT_EQ(question.by, AnsweredBy::fail_open);
  }
  EXPECT_EQ(told_.events, std::vector<std::string>{"redis_outage_began"});
  EXPECT_EQ(state_of(memory_, now_), BreakerState::open);
  Asked dead(counter_, of_dead);
  EXPECT_TRUE(guard_->ask(dead, now_)) << "nobody waits for the dead server";
  Asked living(counter_, of_living);
  send(living);
  guard_->client().on_bytes(seed, kAdmitted, now_);
  EXPECT_EQ(living.by, AnsweredBy::store) << "the other one is asked as ever";
}

TEST_F(AGuard, AnswersAllWhenItIsShutDown) {
  make(FailureMode::fail_closed);
  connect();
  Asked queued(counter_, 1);
  Asked sent(counter_, 2);
  send(sent);
  ASSERT_FALSE(guard_->ask(queued, now_));
  guard_->shut_down(now_);
  EXPECT_EQ(queued.answers, 1);
  EXPECT_EQ(sent.answers, 1);
  EXPECT_EQ(sent.by, AnsweredBy::fail_closed);
}

}  // namespace
}  // namespace tidegate
