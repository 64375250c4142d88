// Keys of tokens that change under a limiter.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "adapters/posix/test_segments.hpp"
#include "core/ascii.hpp"
#include "identity/test_tokens.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class Authorization final : public HeaderLines {
 public:
  explicit Authorization(std::string token) : line_("Bearer " + std::move(token)) {}
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    if (equal_ignoring_case(name, "Authorization")) use(line_);
  }

 private:
  std::string line_;
};

class KeyFiles : public posix::SegmentFixture {
 protected:
  KeyFiles()
      : jwks_(testing::TempDir() + "tidegate-jwks-" + std::to_string(::getpid())),
        log_(jwks_ + ".log") {
    write({"old"});
    config_.log = log_;
    JwtConfig& jwt = config_.client_identification.jwt.emplace();
    jwt.jwks_file = jwks_;
    auto loaded = parse_config(to_toml(config_), "keys.toml", {}, [](const std::string& path) {
      std::ifstream file(path);
      return std::expected<std::string, Error>(
          std::string(std::istreambuf_iterator<char>(file), {}));
    });
    EXPECT_TRUE(loaded) << to_string(loaded.error().front());
    limiter_ = std::move(Limiter::open(*loaded).value());
  }
  void TearDown() override {
    SegmentFixture::TearDown();
    std::remove(jwks_.c_str());
    std::remove(log_.c_str());
  }

  /// A set of secrets by their names.
  void write(const std::vector<std::string>& names) const {
    std::string text = R"({"keys":[)";
    for (const std::string& name : names) {
      text += (&name == names.data() ? "" : ",") +
              (R"({"kty":"oct","kid":")" + name + R"(","k":")") + encode_base64url(secret(name)) +
              "\"}";
    }
    replace(text + "]}");
  }
  void replace(const std::string& text) const {
    std::ofstream(jwks_ + ".new") << text;
    std::rename((jwks_ + ".new").c_str(), jwks_.c_str());
  }
  static std::string secret(const std::string& name) { return name + std::string(32, 's'); }

  /// Who a token signed with a key is.
  std::string client(const std::string& key) const {
    const Authorization headers(
        signed_token(R"({"sub":"me"})", R"({"alg":"HS256","kid":")" + key + "\"}", secret(key)));
    Decision decision;
    limiter_->decide({.peer = IpAddress::parse("203.0.113.7"),
                      .method = "GET",
                      .target = "/",
                      .headers = &headers},
                     decision);
    return decision.client.client_id;
  }
  template <class Condition>
  static bool soon(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }
  bool comes_to_know(const std::string& key) const {
    return soon([&] { return client(key) == "user:me"; });
  }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string jwks_;
  std::string log_;
  std::unique_ptr<Limiter> limiter_;
};

TEST_F(KeyFiles, AreReadAgainWhenTheyChange) {
  EXPECT_EQ(client("old"), "user:me");
  EXPECT_EQ(client("new"), "ip:203.0.113.7");
  write({"old", "new"});
  EXPECT_TRUE(comes_to_know("new"));
  EXPECT_EQ(client("old"), "user:me");
  write({"new"});
  EXPECT_TRUE(soon([&] { return client("old") == "ip:203.0.113.7"; }))
      << "a key that is withdrawn, though its token was verified before";
  EXPECT_EQ(client("new"), "user:me");
  EXPECT_EQ(limiter_->health().status, "ok");
  EXPECT_EQ(limiter_->health().generation, 1U) << "no reload";
}

TEST_F(KeyFiles, ThatDisappearOrTurnToJunkChangeNothing) {
  for (const bool gone : {true, false}) {
    if (gone) {
      std::remove(jwks_.c_str());
    } else {
      replace("{\"keys\":[");
    }
    EXPECT_TRUE(soon([&] {
      EXPECT_EQ(client("old"), "user:me");
      return limiter_->health().status == "degraded";
    }));
    EXPECT_TRUE(posix::says(limiter_->health().keys_error,
                            {"jwks_file", gone ? "No such file or directory" : "no JSON"}));
    EXPECT_EQ(client("old"), "user:me");
    write({"old", gone ? "first" : "second"});
    EXPECT_TRUE(comes_to_know(gone ? "first" : "second"));
    EXPECT_TRUE(soon([&] { return limiter_->health().status == "ok"; }));
    EXPECT_EQ(limiter_->health().keys_error, "");
  }
  const std::string text = log();
  const auto count = [&](const std::string& event) {
    std::size_t found = 0;
    for (std::size_t at = text.find(event); at != std::string::npos;
         at = text.find(event, at + 1)) {
      ++found;
    }
    return found;
  };
  EXPECT_EQ(count("\"keys_not_read\""), 2U) << text;
  EXPECT_EQ(count("\"keys_read\""), 2U) << text;
  EXPECT_TRUE(posix::says(limiter_->metrics(),
                          {"rate_limit_identity_warnings_total{reason=\"keys_not_read\"} 2\n"}));
}

TEST_F(KeyFiles, AreSeenByWhoeverOnlyRefreshes) {
  write({"new"});
  EXPECT_TRUE(soon([&] {
    limiter_->refresh();
    return log().find("keys_taken_up") != std::string::npos;
  }));
}

TEST_F(KeyFiles, CountTokensByVerdict) {
  client("old");
  client("old");
  client("new");
  EXPECT_TRUE(
      posix::says(limiter_->metrics(), {"rate_limit_tokens_total{verdict=\"valid\"} 1\n",
                                        "rate_limit_tokens_total{verdict=\"cached\"} 1\n",
                                        "rate_limit_tokens_total{verdict=\"unknown_key\"} 1\n"}));
}

}  // namespace
}  // namespace tidegate
