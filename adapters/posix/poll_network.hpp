// A driver of the Redis client for whoever has no event loop and waits: commands, and decide() of a
// program without one.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "adapters/posix/driven_network.hpp"
#include "adapters/posix/file_descriptor.hpp"

namespace tidegate::posix {

/// Microseconds that do not go back, those of a suspended machine too. Any thread.
[[nodiscard]] Micros steady_us();

/// One thread at a time. Names are resolved within open(), which may take as long as the system's
/// resolver does.
class PollNetwork final : public DrivenNetwork {
 public:
  /// `clock` tells microseconds that do not go back.
  explicit PollNetwork(std::function<Micros()> clock) : clock_(std::move(clock)) {}

  void drive(redis::Client& client, std::function<void(Micros now)> end_of_turn) override;
  void end_turn() override { turn_ends_ = true; }
  [[nodiscard]] Micros now() const override { return clock_(); }

  void open(redis::LinkId link, const redis::Endpoint& to) override;
  void write(redis::LinkId link, std::string_view bytes) override;
  void close(redis::LinkId link) override { links_.erase(link); }
  void wake_at(Micros time) override { wake_at_ = time; }

  /// Moves what can be moved, waiting for it until `until` at most.
  void turn(Micros until);
  /// Moves bytes until `done()`, or until it is `deadline`. True: it is done.
  bool run_until(const std::function<bool()>& done, Micros deadline);

 private:
  struct Address {
    std::vector<std::byte> bytes;
    int family = 0;
  };
  struct Link {
    FileDescriptor socket;
    bool connected = false;
    std::vector<Address> addresses;  ///< to be tried yet
    std::string out;                 ///< what could not be sent at once
    std::string failed;              ///< why it has none of them
  };

  static std::vector<Address> resolve(const redis::Endpoint& to, std::string& failed);
  static void connect_next(Link& link);
  void attend(redis::LinkId id, short events);
  void read(redis::LinkId id);
  void lose(redis::LinkId id, redis::ErrorType type, std::string_view message);

  std::function<Micros()> clock_;
  redis::Client* client_ = nullptr;
  std::function<void(Micros)> end_of_turn_;
  std::unordered_map<redis::LinkId, Link> links_;
  Micros wake_at_ = kNever;
  bool turn_ends_ = false;
};

}  // namespace tidegate::posix
