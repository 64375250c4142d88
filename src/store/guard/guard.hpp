// What stands between a request and a store that is elsewhere: nobody waits longer than the
// deadline, nobody waits at all while the breaker is open, and what was denied is not asked again.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/splitmix.hpp"
#include "core/time.hpp"
#include "store/check.hpp"
#include "store/guard/breaker.hpp"
#include "store/guard/denial_cache.hpp"
#include "store/redis/checks.hpp"
#include "store/redis/client.hpp"
#include "tidegate/config.hpp"

namespace tidegate {

/// Who answered a check.
enum class AnsweredBy : std::uint8_t {
  store,        ///< the verdicts are the store's
  fail_open,    ///< nobody: let through
  fail_closed,  ///< nobody: refuse
  local         ///< nobody yet: the memory of this host is to be asked
};

/// What the guards of a host share, in its memory. All zero at first.
struct GuardMemory {
  /// Servers of a cluster fail one by one; those that share a breaker only wait for each other.
  static constexpr std::size_t kBreakers = 16;
  std::array<BreakerMemory, kBreakers> breakers;
  /// Counts up whenever somebody forgets counts: what guards remember of them is void.
  std::atomic<std::uint64_t> resets;
};
/// The worst of its breakers.
[[nodiscard]] BreakerState state_of(const GuardMemory& memory, Micros now);

/// One check that is asked. The owner keeps it, and what it borrows, in place until it is answered
/// or cancelled.
class Question {
 public:
  virtual ~Question() = default;
  /// The end of it. Not called for an answer that ask() gave. May ask again.
  virtual void answered() = 0;

  Check check;
  std::span<Verdict> verdicts;  ///< as long as check.charges; filled in by the store
  Cooldown cooldown;
  AnsweredBy by = AnsweredBy::store;
  Micros retry_us = 0;  ///< fail_closed: when to come again

 private:
  friend class Guard;
  Micros asked_ = 0;
  std::uint64_t call_ = 0;  ///< 0: not sent
  redis::Slot slot_ = 0;
  std::size_t breaker_ = 0;  ///< of GuardMemory: that of the slot's server
};

/// What the owner of a guard hears besides the answers.
class GuardObserver {
 public:
  virtual ~GuardObserver() = default;
  virtual void on_exchange(redis::Operation operation, Micros latency_us) = 0;
  virtual void on_error(redis::Operation operation, redis::ErrorType type) = 0;
  /// Worth a line in the log: an outage begins or ends, or a server is not as it should be.
  virtual void on_event(std::string_view event, std::string_view message) = 0;
};

/// One per event loop, with a client of its own; the breakers are the host's. Not thread-safe.
/// Times are those of the client, by a clock that the sharers of the breakers agree on.
class Guard final : private redis::Listener {
 public:
  struct Options {
    FailureMode failure_mode = FailureMode::fail_open;
    Micros decision_timeout_us = 50'000;
    Breaker::Options breaker;
    std::uint64_t seed = 0;  ///< of the jitter of Retry-After
  };

  /// What a configuration says of it.
  [[nodiscard]] static Options options_of(const RateLimitConfig& config, std::uint64_t seed);

  Guard(const Options& options, redis::ClientOptions client, redis::CheckCodec codec,
        redis::Network& network, GuardMemory& shared, GuardObserver& observer);

  ~Guard() override;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// Asks. True: it is answered on return; else answered() is called by a later flush or by the
  /// client, at the deadline at the latest.
  [[nodiscard]] bool ask(Question& question, Micros now);
  /// Nobody waits for it any more. It may have been charged.
  void cancel(Question& question);
  /// To be called at the end of each turn of the loop.
  void flush(Micros now);
  /// Forgets what was denied: after a reload or a reset.
  void forget_denials() { denials_.clear(); }
  /// For a reload: what may change while connections stay.
  void set_failure_mode(FailureMode mode) { options_.failure_mode = mode; }

  /// Nobody waits.
  [[nodiscard]] bool idle() const {
    return queue_.empty() && exchanges_.empty() && splits_.empty();
  }
  /// For the driver.
  [[nodiscard]] redis::Client& client() { return client_; }
  /// Answers all that wait by the failure mode and closes everything.
  void shut_down(Micros now);

 private:
  class Part;
  /// A check whose keys are in several slots, asked in parts.
  struct Split {
    Question* whole = nullptr;  ///< null: cancelled
    std::vector<std::unique_ptr<Part>> parts;
    std::size_t open = 0;
  };
  struct Asked {
    Question* question = nullptr;  ///< null: cancelled
    std::size_t charges = 0;
  };
  struct Exchange {
    std::vector<Asked> questions;
    std::size_t breaker = 0;
    bool probe = false;
    Micros began = 0;
  };

  void on_reply(std::uint64_t call, const redis::Reply& reply, Micros now) override;
  void on_failure(std::uint64_t call, const redis::Failure& failure, Micros now) override;
  void on_exchange(redis::Operation operation, Micros latency_us) override;
  void on_error(redis::Operation operation, redis::ErrorType type) override;
  void on_master_changed() override;
  void on_ready(std::uint64_t server, Micros now) override;
  void on_gone(std::uint64_t server, Micros now) override;
  void on_remark(std::string_view event, std::string_view message) override;

  [[nodiscard]] Breaker breaker(std::size_t number) {
    return {options_.breaker, shared_.breakers[number]};
  }
  [[nodiscard]] bool ask_in_parts(Question& question, Micros now);
  void end_part(Split& split);
  static void join(const Split& split);
  void send(std::span<Question* const> questions, bool probe, Micros now);
  void end_exchange(const Exchange& exchange, const redis::Failure& failure, Micros now);
  /// The answer of the failure mode.
  void fail(Question& question, Micros now);
  void begin_outage(const redis::Failure& failure);
  void end_outage(std::string_view why, Micros began, Micros now);

  Options options_;
  redis::CheckCodec codec_;
  GuardObserver& observer_;
  DenialCache denials_;
  std::vector<Question*> queue_;  ///< null: cancelled
  std::list<Split> splits_;
  std::unordered_map<std::uint64_t, Exchange> exchanges_;
  std::uint64_t last_call_ = 0;
  SplitMix random_;
  GuardMemory& shared_;
  std::uint64_t resets_ = 0;  ///< that denials_ knows of
  bool suspect_ = false;      ///< something has failed since the last answer
  Micros last_ready_ = 0;     ///< when there was a new connection
  redis::Client client_;      // last: it calls us while it is destroyed
};

}  // namespace tidegate
