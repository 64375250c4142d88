#include "adapters/posix/redis_waiting.hpp"

#include <tuple>
#include <utility>

#include "adapters/posix/limiter_impl.hpp"
#include "adapters/posix/poll_network.hpp"
#include "adapters/posix/redis_session.hpp"

namespace tidegate::posix {

/// A session with a loop of its own, which runs while somebody waits.
struct RedisWaiting::Session {
  Session(Limiter& limiter, std::size_t sharers)
      : session(
            limiter,
            [this](std::function<Micros()> clock) {
              auto made = std::make_unique<PollNetwork>(std::move(clock));
              network = made.get();
              return made;
            },
            sharers) {}

  PollNetwork* network = nullptr;  ///< of the line in use
  RedisSession session;
};

RedisWaiting::RedisWaiting(Limiter& limiter) : limiter_(limiter) {}
RedisWaiting::~RedisWaiting() = default;

std::unique_ptr<RedisWaiting::Session> RedisWaiting::borrow() {
  const std::size_t most = limiter_.impl_->generations.pin()->config().redis.pool_size;
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [&] { return !idle_.empty() || sessions_ < most; });
  if (!idle_.empty()) {
    auto session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }
  ++sessions_;
  return std::make_unique<Session>(limiter_, most);
}

void RedisWaiting::give_back(std::unique_ptr<Session> session) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(session));
  }
  returned_.notify_one();
}

/// Given back however the decision ends.
struct RedisWaiting::Borrowed {
  explicit Borrowed(RedisWaiting& its_owner) : owner(its_owner), session(its_owner.borrow()) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { owner.give_back(std::move(session)); }

  RedisWaiting& owner;
  std::unique_ptr<Session> session;
};

void RedisWaiting::decide(const Request& request, Decision& out) noexcept {
  struct Waiting final : Pending {
    void decided() override { done = true; }
    bool done = false;
  };
  try {
    const Borrowed borrowed(*this);
    Session& session = *borrowed.session;
    // What has happened to the connection since the last decision.
    if (session.network != nullptr) session.network->turn(0);
    Waiting waiting;
    if (!session.session.decide(request, out, waiting)) {
      // The guard answers at the deadline, whatever happens.
      session.network->run_until([&] { return waiting.done; }, redis::Network::kNever);
    }
  } catch (const std::exception&) {
    limiter_.impl_->fail_without_memory(out);
  }
}

void RedisWaiting::after_fork() {
  for (auto& session : idle_) {
    // Not closed in words: the sockets are the parent's too.
    std::ignore = session.release();
  }
  idle_.clear();
  sessions_ = 0;
}

}  // namespace tidegate::posix
