// A client on a loop of its own, for tests.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/posix/poll_network.hpp"
#include "store/redis/client.hpp"

namespace tidegate::redis {

using posix::steady_us;

/// What became of calls, and all that a client told besides.
class Heard final : public Listener {
 public:
  void on_reply(std::uint64_t call, const Reply& reply, Micros) override { replies[call] = reply; }
  void on_failure(std::uint64_t call, const Failure& failure, Micros) override {
    failures[call] = failure;
  }
  void on_exchange(Operation operation, Micros) override { ++exchanges[operation]; }
  void on_error(Operation operation, ErrorType type) override { ++errors[{operation, type}]; }
  void on_master_changed() override { ++master_changes; }
  void on_ready(std::uint64_t, Micros) override { ++times_ready; }
  void on_remark(std::string_view event, std::string_view message) override {
    remarks.push_back(std::string(event) + ": " + std::string(message));
  }
  [[nodiscard]] bool ended(std::uint64_t call) const {
    return replies.contains(call) || failures.contains(call);
  }

  std::map<std::uint64_t, Reply> replies;
  std::map<std::uint64_t, Failure> failures;
  std::map<Operation, int> exchanges;
  std::map<std::pair<Operation, ErrorType>, int> errors;
  int master_changes = 0;
  int times_ready = 0;
  std::vector<std::string> remarks;
};

class TestClient {
 public:
  explicit TestClient(ClientOptions options) : client_(std::move(options), network_, heard) {
    network_.drive(client_, [this](Micros now) { client_.flush(now); });
  }

  std::uint64_t send(Call call, Micros patience_us = 2'000'000) {
    const std::uint64_t number = ++last_;
    client_.call(number, std::move(call), steady_us() + patience_us, steady_us());
    network_.end_turn();
    return number;
  }
  std::uint64_t send(std::vector<std::string> words, Micros patience_us = 2'000'000) {
    Call call;
    call.slot = words.size() > 1 ? slot_of(words[1]) : Slot{0};
    call.arguments = std::move(words);
    return send(std::move(call), patience_us);
  }
  bool run_until(const std::function<bool()>& done, Micros patience_us = 5'000'000) {
    return network_.run_until(done, steady_us() + patience_us);
  }
  void run_for(Micros us) {
    network_.run_until([] { return false; }, steady_us() + us);
  }
  /// The end of a call, in words: the reply, or "!type".
  std::string wait_for(std::uint64_t number) {
    if (!run_until([&] { return heard.ended(number); })) return "never ended";
    if (const auto failed = heard.failures.find(number); failed != heard.failures.end()) {
      return "!" + std::string(to_string(failed->second.type));
    }
    const Reply& reply = heard.replies.at(number);
    return reply.kind == Reply::Kind::integer ? std::to_string(reply.integer) : reply.text;
  }
  std::string ask(std::vector<std::string> words, Micros patience_us = 2'000'000) {
    return wait_for(send(std::move(words), patience_us));
  }

  Heard heard;
  [[nodiscard]] Client& client() { return client_; }

 private:
  posix::PollNetwork network_{steady_us};
  Client client_;
  std::uint64_t last_ = 0;
};

}  // namespace tidegate::redis
