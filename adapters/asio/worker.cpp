#include "adapters/asio/worker.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "adapters/asio/connection.hpp"
#include "adapters/asio/redis_network.hpp"
#include "tidegate/beast.hpp"

namespace tidegate::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr auto kTick = std::chrono::seconds(1);
/// How long accepting rests when there is no room for a connection.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);
/// Files that a worker has open besides its connections, generously.
constexpr std::size_t kOtherFiles = 64;

/// As many connections as files may be open.
std::size_t connection_limit(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NOFILE, &files);
  const std::size_t open = files.rlim_cur;
  return open > 2 * kOtherFiles ? std::min(wanted, open - kOtherFiles) : kOtherFiles;
}

std::string http_date(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 32> text{};
  // The names are English whatever the locale says.
  std::string date = kDays[static_cast<std::size_t>(parts.tm_wday)];
  date.append(text.data(), std::strftime(text.data(), text.size(), ", %d ", &parts));
  date += kMonths[static_cast<std::size_t>(parts.tm_mon)];
  date.append(text.data(), std::strftime(text.data(), text.size(), " %Y %H:%M:%S GMT", &parts));
  return date;
}

class Worker {
 public:
  Worker(const WorkerPorts& ports, const ServerLimits& limits, bool demo, Limiter* limiter)
      : state_(demo, limiter, limits), ticker_(context_.get_executor()), signals_(context_) {
    state_.limits.connections = connection_limit(limits.connections);
    open(main_, ports.main);
    if (ports.ops) open(ops_, *ports.ops);
    if (limiter != nullptr) limiter->refresh();  // the first takes longest
    if (limiter != nullptr && limiter->config()->backend == BackendKind::redis) {
      state_.redis = std::make_unique<posix::RedisSession>(
          *limiter,
          [this](std::function<Micros()> clock) {
            return std::make_unique<RedisNetwork>(context_, std::move(clock));
          },
          limits.workers);
      state_.redis->connect();
    }
    tell_time();
  }

  int run() {
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) signals_.add(signal);
    unblock_signals();
    asio::co_spawn(context_, obey_signals(), asio::detached);
    asio::co_spawn(context_, tick(), asio::detached);
    asio::co_spawn(context_, accept(main_, ops_.is_open() ? Port::service : Port::all),
                   asio::detached);
    if (ops_.is_open()) asio::co_spawn(context_, accept(ops_, Port::ops), asio::detached);
    context_.run();
    return 0;
  }

 private:
  static void open(Acceptor& acceptor, int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    acceptor.assign(address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd);
  }

  static void unblock_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD}) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }

  void tell_time() {
    state_.now = Clock::now();
    state_.date = http_date(std::time(nullptr));
  }

  /// Once a second: what time it is, and who waits too long.
  Task tick() {
    for (;;) {
      ticker_.expires_after(kTick);
      const auto [error] = co_await ticker_.async_wait(kAwait);
      if (error) co_return;
      tell_time();
      if (state_.limiter != nullptr) state_.limiter->refresh();
      for (Expiring* connection : state_.connections) connection->expire(state_.now);
    }
  }

  Task accept(Acceptor& acceptor, Port port) {
    Timer pause(context_.get_executor());
    while (!state_.stopping) {
      if (port != Port::ops && state_.full()) {
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kAwait);
        continue;
      }
      asio::ip::tcp::endpoint peer;
      auto [error, socket] = co_await acceptor.async_accept(peer, kAwait);
      if (state_.stopping) co_return;
      if (!error) {
        asio::co_spawn(context_,
                       serve_connection(std::move(socket), peer_address(peer), port, state_),
                       asio::detached);
      } else if (error != asio::error::connection_aborted) {
        // No file or no memory left: whoever waits is accepted when there is.
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kAwait);
      }
    }
  }

  Task obey_signals() {
    for (;;) {
      const auto [error, signal] = co_await signals_.async_wait(kAwait);
      if (error) co_return;
      if (signal == SIGUSR1) {
        if (state_.limiter != nullptr) state_.limiter->reopen_log();
        continue;
      }
      stop();
      co_return;
    }
  }

  /// No new connections; those without a request under way end.
  void stop() {
    state_.stopping = true;
    error_code ignored;
    main_.close(ignored);
    ops_.close(ignored);
    for (Expiring* connection : state_.connections) connection->end_if_idle();
    asio::co_spawn(context_, end_when_idle(), asio::detached);
  }

  /// Running requests end at their own pace, up to a limit.
  Task end_when_idle() {
    Timer pause(context_.get_executor());
    const auto deadline = Clock::now() + state_.limits.stop;
    while (!state_.connections.empty() && Clock::now() < deadline) {
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kAwait);
    }
    context_.stop();
  }

  asio::io_context context_{1};
  WorkerState state_;
  Acceptor main_{context_.get_executor()};
  Acceptor ops_{context_.get_executor()};
  Timer ticker_;
  asio::basic_signal_set<Executor> signals_;
};

}  // namespace

int run_worker(const WorkerPorts& ports, const ServerLimits& limits, bool demo, Limiter* limiter) {
  return Worker(ports, limits, demo, limiter).run();
}

}  // namespace tidegate::server
