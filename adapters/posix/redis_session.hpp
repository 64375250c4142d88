// Decisions through Redis on one event loop: how a limiter asks a store that answers later.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "adapters/posix/driven_network.hpp"
#include "adapters/posix/generation.hpp"
#include "engine/engine.hpp"
#include "store/guard/guard.hpp"
#include "tidegate/limiter.hpp"

namespace tidegate::posix {

class RedisSession;

/// One decision that may have to wait. It stays in place until it is decided or cancelled; then it
/// is good for another.
class Pending : private Question {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// The decision is there. Not called where decide() said so itself.
  virtual void decided() = 0;

 private:
  friend class RedisSession;
  void answered() override;

  RedisSession* session_ = nullptr;
  std::shared_ptr<const Generation> generation_;  ///< that it was planned with
  Guard* guard_ = nullptr;
  const Request* request_ = nullptr;
  Decision* out_ = nullptr;
  Plan plan_;
  Plan::List<Verdict> verdicts_;
};

/// One per event loop, and used on its thread only. The limiter must outlive it.
class RedisSession final : private GuardObserver {
 public:
  /// Makes a driver that goes by the clock it is given.
  using MakeNetwork = std::function<std::unique_ptr<DrivenNetwork>(std::function<Micros()> clock)>;

  /// `sharers`: how many sessions of this host share the connections of `pool_size`.
  RedisSession(Limiter& limiter, MakeNetwork make_network, std::size_t sharers);
  ~RedisSession() override;

  /// Connects ahead of the first decision.
  void connect();
  /// As Limiter::decide. True: `out` is decided. False: pending.decided() will be called, at the
  /// deadline at the latest; until then `request` and what it views, `out` and `pending` stay where
  /// they are.
  [[nodiscard]] bool decide(const Request& request, Decision& out, Pending& pending) noexcept;
  /// Nobody waits for it any more. It may have been charged.
  static void cancel(Pending& pending);

 private:
  friend class Pending;
  /// A guard with its network; another one after a reload that changes what they are made of.
  struct Line {
    std::shared_ptr<const Generation> generation;  ///< that it is configured by
    std::unique_ptr<DrivenNetwork> network;
    std::unique_ptr<Guard> guard;
  };

  bool begin(const Request& request, Decision& out, Pending& pending);
  void conclude(Pending& pending);
  Line& line_for(const std::shared_ptr<const Generation>& generation);

  void on_exchange(redis::Operation operation, Micros latency_us) override;
  void on_error(redis::Operation operation, redis::ErrorType type) override;
  void on_event(std::string_view event, std::string_view message) override;

  Limiter::Impl& impl_;
  MakeNetwork make_network_;
  std::size_t sharers_;
  std::vector<std::unique_ptr<Line>> lines_;  ///< the one in use last
};

/// What the client of a configuration is made of. An error says which file holds no certificate or
/// key.
[[nodiscard]] std::expected<redis::ClientOptions, Error> client_options(const LoadedConfig& loaded,
                                                                        std::size_t sharers);
/// Whether a client made for one would do for the other.
[[nodiscard]] bool same_redis(const LoadedConfig& a, const LoadedConfig& b);

}  // namespace tidegate::posix
