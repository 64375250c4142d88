#include "adapters/asio/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace tidegate {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Executor = asio::io_context::executor_type;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;
using Task = asio::awaitable<void, Executor>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr auto kTick = std::chrono::milliseconds(1);
/// For answers after the last request was due.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxResponseBytes = std::size_t{4} << 20;

/// One request: its number, and when it is due.
struct Due {
  std::size_t number = 0;
  Clock::time_point at;
};

class Load {
 public:
  Load(const LoadOptions& options, std::vector<server::LoadTarget> targets)
      : options_(options),
        targets_(std::move(targets)),
        queues_(targets_.size()),
        clock_(context_.get_executor()) {
    result_.latencies_us.reserve(options.requests);
  }

  std::expected<LoadResult, Error> run() {
    const std::size_t each = std::max<std::size_t>(
        1, std::min(options_.connections, options_.requests / targets_.size() + 1));
    for (std::size_t target = 0; target < targets_.size(); ++target) {
      for (std::size_t i = 0; i < each; ++i) {
        connections_.push_back(std::make_unique<Connection>(context_.get_executor(), target));
      }
    }
    for (const auto& connection : connections_) {
      if (auto connected = connect(*connection); !connected) {
        return std::unexpected(connected.error());
      }
    }
    began_ = Clock::now();
    for (const auto& connection : connections_) {
      asio::co_spawn(context_, serve(*connection), asio::detached);
    }
    asio::co_spawn(context_, schedule(), asio::detached);
    context_.run();
    const std::size_t answered = result_.latencies_us.size();
    result_.errors = options_.requests - answered;
    if (result_.errors != 0 && result_.first_error.empty()) {
      result_.first_error = "no answer within 10 s";
    }
    std::ranges::sort(result_.latencies_us);
    return std::move(result_);
  }

 private:
  struct Connection {
    Connection(const Executor& executor, std::size_t its_target)
        : socket(executor), wake(executor), target(its_target) {}
    Socket socket;
    Timer wake;
    std::size_t target;
    bool idle = false;
    std::string in;
  };

  std::expected<void, Error> connect(Connection& connection) {
    const server::LoadTarget& target = targets_[connection.target];
    error_code error;
    Resolver resolver(context_.get_executor());
    const auto found = resolver.resolve(target.host, target.port, error);
    if (!error) asio::connect(connection.socket, found, error);
    if (error) {
      return std::unexpected(
          Error{fmt::format("http://{}:{}: {}", target.host, target.port, error.message())});
    }
    connection.socket.set_option(asio::ip::tcp::no_delay(true), error);
    return {};
  }

  /// Hands out what is due, to those who wait for work first.
  Task schedule() {
    std::size_t handed_out = 0;
    while (handed_out < options_.requests) {
      const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
      const std::size_t due =
          options_.rate <= 0
              ? options_.requests
              : std::min(options_.requests, static_cast<std::size_t>(seconds * options_.rate) + 1);
      for (; handed_out < due; ++handed_out) {
        const std::chrono::duration<double> at(
            options_.rate <= 0 ? 0 : static_cast<double>(handed_out) / options_.rate);
        queues_[handed_out % queues_.size()].push_back(
            {handed_out, began_ + std::chrono::duration_cast<Clock::duration>(at)});
      }
      wake_idle();
      if (handed_out == options_.requests) break;
      clock_.expires_after(kTick);
      co_await clock_.async_wait(kAwait);
    }
    const auto deadline = Clock::now() + kPatience;
    while (ended_ < options_.requests && Clock::now() < deadline) {
      clock_.expires_after(kTick);
      co_await clock_.async_wait(kAwait);
    }
    context_.stop();
  }

  void wake_idle() {
    for (const auto& connection : connections_) {
      if (connection->idle && !queues_[connection->target].empty()) connection->wake.cancel();
    }
  }

  Task serve(Connection& connection) {
    std::deque<Due>& queue = queues_[connection.target];
    for (;;) {
      while (queue.empty()) {
        connection.idle = true;
        connection.wake.expires_at(Clock::time_point::max());
        co_await connection.wake.async_wait(kAwait);
        connection.idle = false;
      }
      const Due due = queue.front();
      queue.pop_front();
      const std::string request = text_of(due, targets_[connection.target]);
      const auto [error, sent] =
          co_await asio::async_write(connection.socket, asio::buffer(request), kAwait);
      std::string failed = error ? error.message() : "";
      if (failed.empty()) co_await read(connection, due, failed);
      if (failed.empty()) continue;
      if (result_.first_error.empty()) result_.first_error = failed;
      ++ended_;
      error_code ignored;
      connection.socket.close(ignored);
      connection.in.clear();
      if (!connect(connection)) co_return;
    }
  }

  Task read(Connection& connection, const Due& due, std::string& failed) {
    std::string& in = connection.in;
    for (;;) {
      const auto end = server::find_end(in);
      if (!end) {
        failed = end.error().message;
        co_return;
      }
      if (*end) {
        note(**end, due);
        in.erase(0, (*end)->size);
        if ((*end)->closes) {
          error_code ignored;
          connection.socket.close(ignored);
          in.clear();
          if (!connect(connection)) failed = "the server takes no connection any more";
        }
        co_return;
      }
      if (in.size() > kMaxResponseBytes) {
        failed = "the answer is above 4 MiB";
        co_return;
      }
      std::array<char, 8192> piece;
      const auto [error, got] =
          co_await connection.socket.async_read_some(asio::buffer(piece), kAwait);
      if (error) {
        failed = error.message();
        co_return;
      }
      in.append(piece.data(), got);
    }
  }

  void note(const server::ResponseEnd& response, const Due& due) {
    const auto now = Clock::now();
    const auto latency = std::chrono::duration_cast<std::chrono::microseconds>(now - due.at);
    result_.latencies_us.push_back(static_cast<std::uint32_t>(latency.count()));
    result_.took = std::chrono::duration_cast<std::chrono::microseconds>(now - began_);
    ++(response.status == 429   ? result_.refused
       : response.status == 503 ? result_.unavailable
                                : result_.admitted);
    ++ended_;
  }

  [[nodiscard]] std::string text_of(const Due& due, const server::LoadTarget& target) const {
    std::string text =
        fmt::format("GET {} HTTP/1.1\r\nHost: {}:{}\r\n", target.target, target.host, target.port);
    if (options_.clients != 0) {
      const std::size_t client = due.number % options_.clients;  // 198.18.0.0/15 is for benchmarks
      fmt::format_to(std::back_inserter(text), "X-Forwarded-For: 198.{}.{}.{}\r\n",
                     18 + (client >> 16 & 1), client >> 8 & 0xff, client & 0xff);
    }
    for (const std::string& header : options_.headers) text += header + "\r\n";
    return text + "\r\n";
  }

  const LoadOptions& options_;
  std::vector<server::LoadTarget> targets_;
  asio::io_context context_{1};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::deque<Due>> queues_;  ///< by target
  Timer clock_;
  Clock::time_point began_;
  std::size_t ended_ = 0;
  LoadResult result_;
};

}  // namespace

std::expected<LoadResult, Error> load(const LoadOptions& options) {
  std::vector<server::LoadTarget> targets;
  for (const std::string& url : options.urls) {
    auto target = server::read_url(url);
    if (!target) return std::unexpected(target.error());
    targets.push_back(std::move(*target));
  }
  return Load(options, std::move(targets)).run();
}

}  // namespace tidegate
