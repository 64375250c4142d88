// What one decision through Redis costs its client, in processor time of this process: encoding,
// the client, sockets, and decoding.
//
//   bench_redis_client URL BATCH FOLDER
//
// asks that server in calls of so many requests, and leaves in the folder what a peer needs to ask
// the same: `script`, and `argument`, what a call has besides its keys.
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "adapters/posix/poll_network.hpp"
#include "bench/fail.hpp"
#include "bench/measure.hpp"
#include "bench/redis_checks.hpp"

namespace tidegate::bench {
namespace {

constexpr std::size_t kDecisions = 64'000;
constexpr std::size_t kCallsAtOnce = 16;  ///< that leave in one write
constexpr Micros kPatience = 10'000'000;

Micros steady_us() {
  return static_cast<Micros>(std::chrono::duration_cast<std::chrono::microseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

class Asking final : redis::Listener {
 public:
  Asking(const std::string& url, std::size_t batch)
      : batch_(batch), verdicts_(batch), answers_(batch), client_(options(url), network_, *this) {
    for (std::size_t i = 0; i < batch; ++i) answers_[i].verdicts = {&verdicts_[i], 1};
    network_.drive(client_, [this](Micros now) { client_.flush(now); });
  }

  /// As many decisions, for one client after the other.
  void ask(std::size_t decisions) {
    for (const std::size_t end = asked_ + decisions; asked_ < end;) {
      const Micros now = steady_us();
      for (std::size_t i = 0; i < kCallsAtOnce; ++i) {
        client_.call(++last_, call_of(asked_, batch_, {&counter_, 1}), now + kPatience, now);
        asked_ += batch_;
        ++on_their_way_;
      }
      network_.end_turn();
      network_.run_until([this] { return on_their_way_ == 0; }, now + kPatience);
      if (on_their_way_ != 0) fail("Redis does not answer");
    }
  }

 private:
  static redis::ClientOptions options(const std::string& url) {
    redis::ClientOptions options;
    options.config.url = url;
    return options;
  }

  void on_reply(std::uint64_t, const redis::Reply& reply, Micros) override {
    --on_their_way_;
    if (const auto decoded = redis::CheckCodec::decode(reply, answers_); !decoded) {
      fail(decoded.error().message);
    }
  }
  void on_failure(std::uint64_t, const redis::Failure& failure, Micros) override {
    fail(failure.message);
  }
  void on_exchange(redis::Operation, Micros) override {}
  void on_error(redis::Operation, redis::ErrorType) override {}
  void on_ready(std::uint64_t, Micros) override {}
  void on_remark(std::string_view, std::string_view) override {}

  const Counter counter_ = counter_of(Algorithm::token_bucket, std::chrono::seconds(60));
  std::size_t batch_;
  std::vector<Verdict> verdicts_;
  std::vector<redis::CheckAnswer> answers_;
  posix::PollNetwork network_{steady_us};
  redis::Client client_;
  std::uint64_t last_ = 0;
  std::size_t asked_ = 0;
  std::size_t on_their_way_ = 0;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text)) fail("cannot write " + path);
}

void measure_client(const std::string& url, std::size_t batch, const std::string& folder) {
  const Counter bucket = counter_of(Algorithm::token_bucket, std::chrono::seconds(60));
  const redis::Call call = call_of(0, batch, {&bucket, 1});
  write(folder + "/script", call.script->text);
  write(folder + "/argument", call.arguments[call.keys]);

  Asking asking(url, batch);
  asking.ask(kCallsAtOnce * batch);  // connects, and loads the script
  const double spent_us = cpu_us_of([&] { asking.ask(kDecisions); });
  fmt::print(R"({{"cpu_us":{:.4f}}})"
             "\n",
             spent_us / static_cast<double>(kDecisions));
}

}  // namespace
}  // namespace tidegate::bench

int main(int count, char** arguments) {
  using tidegate::bench::fail;
  if (count != 4) fail("usage: bench_redis_client URL BATCH FOLDER");
  tidegate::bench::measure_client(arguments[1], std::stoul(arguments[2]), arguments[3]);
}
