// Tokens again and again: what is remembered, what is not read.
#include "identity/token_verifier.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/test_allocations.hpp"
#include "identity/test_tokens.hpp"

namespace tidegate {
namespace {

constexpr Micros kNow = 1'800'000'000'000'000;
constexpr Micros kSecond = 1'000'000;
constexpr HashKey kKey{1, 2};
const auto kAddress = IpAddress::parse("203.0.113.7");

ClientIdentificationConfig config_with(std::uint32_t max_failures) {
  ClientIdentificationConfig config;
  config.jwt.emplace();
  config.jwt->max_failures_per_second = max_failures;
  return config;
}

class Tokens : public ::testing::Test {
 protected:
  TokenVerdict verify(std::string_view token, Micros now = kNow,
                      const std::optional<IpAddress>& address = kAddress) {
    client_ = {};
    return verifier_.verify(token, address, {.now_us = now, .wall_us = now}, client_);
  }

  TokenVerifier verifier_{config_with(10), test_keys(), kKey};
  ClientIdentity client_;
};

std::string token_of(int user, std::string_view more = "") {
  return signed_token(R"({"sub":"u)" + std::to_string(user) + '"' + std::string(more) + '}');
}
std::string forged(int i) {
  return signed_token(R"({"sub":"u)" + std::to_string(i) + "\"}", kHs256, std::string(32, 'x'));
}

TEST_F(Tokens, AreVerifiedOnce) {
  const std::string token = token_of(1, R"(,"tier":"premium")");
  EXPECT_EQ(verify(token), TokenVerdict::valid);
  EXPECT_EQ(client_.client_id, "user:u1");
  EXPECT_EQ(client_.tier, "premium");
  EXPECT_EQ(client_.client_type, ClientType::user);
  EXPECT_EQ(verify(token), TokenVerdict::cached);
  EXPECT_EQ(client_.client_id, "user:u1");
  EXPECT_EQ(client_.tier, "premium");
  EXPECT_EQ(client_.client_type, ClientType::user);
  EXPECT_EQ(verify(token, kNow + 365 * 86'400 * kSecond), TokenVerdict::cached) << "no exp";
}

TEST_F(Tokens, ExpireWhileTheyAreRemembered) {
  const std::string token = token_of(1, R"(,"nbf":1799999990,"exp":1800000010)");
  EXPECT_EQ(verify(token, kNow), TokenVerdict::valid);
  EXPECT_EQ(verify(token, kNow + 40 * kSecond - 1), TokenVerdict::cached);
  EXPECT_EQ(verify(token, kNow + 40 * kSecond), TokenVerdict::expired);
  EXPECT_EQ(client_.client_id, "");
  EXPECT_EQ(verify(token, kNow - 41 * kSecond), TokenVerdict::not_yet_valid);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(verify(token, kNow + 40 * kSecond), TokenVerdict::expired);
  }
  EXPECT_EQ(verify(token_of(2), kNow + 40 * kSecond), TokenVerdict::valid)
      << "who goes on with an old token spends nothing: it was really signed";
}

TEST_F(Tokens, AreTakenForOthersInNoBit) {
  const std::string token = token_of(1);
  EXPECT_EQ(verify(token), TokenVerdict::valid);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    const TokenVerdict verdict = verify(other, kNow + (i + 1) * kSecond);
    EXPECT_TRUE(other == token ||
                (verdict != TokenVerdict::cached && verdict != TokenVerdict::valid))
        << i << ' ' << to_string(verdict);
  }
}

TEST_F(Tokens, AreNotReadOnceTheirAddressHasFailedTooOften) {
  EXPECT_EQ(verify(token_of(1)), TokenVerdict::valid);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(verify(forged(i)), TokenVerdict::bad_signature);
  EXPECT_EQ(verify(forged(10)), TokenVerdict::unread);
  EXPECT_EQ(verify(token_of(2)), TokenVerdict::unread);
  EXPECT_EQ(verify(token_of(1)), TokenVerdict::cached) << "a known one is";
  EXPECT_EQ(verify(token_of(2), kNow, IpAddress::parse("203.0.113.8")), TokenVerdict::valid);
  EXPECT_EQ(verify(token_of(3), kNow, {}), TokenVerdict::valid);
  EXPECT_EQ(verify(token_of(4), kNow + kSecond), TokenVerdict::valid);
}

TEST_F(Tokens, CountTogetherForAPrefix) {
  for (int i = 0; i < 10; ++i) verify(forged(i), kNow, IpAddress::parse("2001:db8:1:2::1"));
  EXPECT_EQ(verify(forged(10), kNow, IpAddress::parse("2001:db8:1:2::2")), TokenVerdict::unread);
  EXPECT_EQ(verify(forged(10), kNow, IpAddress::parse("2001:db8:1:3::2")),
            TokenVerdict::bad_signature);
}

TEST_F(Tokens, AboveEightKilobytesAreNotRead) {
  const auto padded = [](std::size_t bytes) {
    return token_of(1, R"(,"x":")" + std::string(bytes, 'x') + '"');
  };
  std::size_t bytes = 6'000;
  while (padded(bytes + 1).size() <= kMaxTokenBytes) ++bytes;
  EXPECT_EQ(verify(padded(bytes)), TokenVerdict::valid);
  EXPECT_EQ(verify(padded(bytes)), TokenVerdict::cached);
  EXPECT_EQ(verify(padded(bytes + 3)), TokenVerdict::too_large);
}

TEST_F(Tokens, ThatAreKnownCostNoMemory) {
  const std::string token = token_of(1, R"(,"tier":"a tier of a longer name")");
  verify(token);
  ClientIdentity client;
  const Times times{.now_us = kNow, .wall_us = kNow};
  verifier_.verify(token, kAddress, times, client);
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) verifier_.verify(token, kAddress, times, client);
  EXPECT_EQ(allocations, before);
}

TEST_F(Tokens, AreExaminedWithoutATrace) {
  ClientIdentity client;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(verifier_.examine(forged(i), kNow, client), TokenVerdict::bad_signature);
  }
  EXPECT_EQ(verifier_.examine(token_of(1), kNow, client), TokenVerdict::valid);
  EXPECT_EQ(client.client_id, "user:u1");
  EXPECT_EQ(verify(token_of(1)), TokenVerdict::valid);
}

TEST(TokenCache, IsBounded) {
  TokenCache cache(kKey, 100'000);
  for (int i = 0; i < 10'000; ++i) {
    cache.insert("token " + std::to_string(i) + std::string(200, 'x'), {.client = "user:x"}, kNow);
    ASSERT_LE(cache.bytes(), 100'000U);
  }
  EXPECT_GT(cache.bytes(), 50'000U);
  ClientIdentity client;
  EXPECT_TRUE(cache.find("token 9999" + std::string(200, 'x'), kNow, client));
  cache.insert(std::string(200'000, 'x'), {}, kNow);
  EXPECT_LE(cache.bytes(), 100'000U);
}

TEST(TokenCache, KeepsWhatIsUsed) {
  TokenCache cache(kKey);
  ClientIdentity client;
  cache.insert("mine", {.client = "user:me"}, kNow);
  std::size_t found = 0;
  constexpr int kOthers = 4 * TokenCache::kSets * TokenCache::kWays;
  for (int i = 0; i < kOthers; ++i) {
    cache.insert("other " + std::to_string(i), {.client = "user:x"}, kNow);
    found += cache.find("mine", kNow, client) ? 1 : 0;
  }
  EXPECT_EQ(found, kOthers);
}

TEST(TokenCache, ReplacesWhatHasExpiredFirst) {
  TokenCache cache(kKey);
  ClientIdentity client;
  constexpr int kMany = 2 * TokenCache::kSets * TokenCache::kWays;
  for (int i = 0; i < kMany; ++i) {
    cache.insert("old " + std::to_string(i), {.client = "user:x", .until_us = kNow}, kNow - 1);
  }
  // Half of what fits, so that hardly a set gets more than its eight.
  constexpr int kFew = kMany / 8;
  for (int i = 0; i < kFew; ++i) {
    cache.insert("new " + std::to_string(i), {.client = "user:x"}, kNow);
  }
  int found = 0;
  for (int i = 0; i < kFew; ++i) {
    found += cache.find("new " + std::to_string(i), kNow, client) ? 1 : 0;
  }
  EXPECT_GE(found, kFew * 99 / 100);
}

TEST(TokenCache, ServesManyThreads) {
  TokenCache cache(kKey, 20'000);
  std::atomic<int> wrong = 0;
  std::atomic<int> found = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ClientIdentity client;
      for (int i = 0; i < 20'000; ++i) {
        const std::string name = std::to_string(i * (t + 1) % 50);
        if (cache.find("token " + name, kNow, client)) {
          ++found;
          wrong += client.client_id == "user:" + name ? 0 : 1;
        } else {
          cache.insert("token " + name, {.client = "user:" + name}, kNow);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(found, 40'000);
}

}  // namespace
}  // namespace tidegate
