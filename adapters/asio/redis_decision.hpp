// Decisions through Redis in a coroutine: nobody else waits meanwhile.
#pragma once

#include <chrono>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "adapters/posix/redis_session.hpp"
#include "tidegate/decision.hpp"

namespace tidegate::server {

/// One decision at a time. The session must outlive it.
class RedisDecision final : public posix::Pending {
 public:
  using Executor = boost::asio::io_context::executor_type;

  explicit RedisDecision(const Executor& executor) : decided_(executor) {}

  /// `request`, and what it views, must live until this is done.
  boost::asio::awaitable<void, Executor> take(posix::RedisSession& session, const Request& request,
                                              Decision& out) {
    if (session.decide(request, out, *this)) co_return;
    // A timer that never fires, and is cancelled by the answer.
    decided_.expires_at(std::chrono::steady_clock::time_point::max());
    co_await decided_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable_t<Executor>{}));
  }

 private:
  void decided() override { decided_.cancel(); }

  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      decided_;
};

}  // namespace tidegate::server
