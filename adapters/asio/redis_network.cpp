#include "adapters/asio/redis_network.hpp"

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>

namespace tidegate::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Resolver = asio::ip::basic_resolver<tcp, Executor>;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

constexpr std::size_t kReadBytes = std::size_t{16} << 10;

redis::ErrorType type_of(const error_code& error) {
  return error == asio::error::timed_out ? redis::ErrorType::timeout : redis::ErrorType::refused;
}

}  // namespace

/// One connection. Handlers keep it alive and look whether its network still knows it.
class RedisNetwork::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(RedisNetwork& network, redis::LinkId number)
      : network_(&network),
        number_(number),
        resolver_(network.context_.get_executor()),
        socket_(network.context_.get_executor()) {}

  void open(const redis::Endpoint& to) {
    if (!to.path.empty()) return connect_local(to.path);
    resolver_.async_resolve(to.host, std::to_string(to.port),
                            [self = shared_from_this()](const error_code& error,
                                                        const tcp::resolver::results_type& found) {
                              if (self->network_ == nullptr) return;
                              if (error) return self->lose(error);
                              for (const auto& entry : found)
                                self->endpoints_.push_back(entry.endpoint());
                              self->connect_next(asio::error::host_not_found);
                            });
  }

  void write(std::string_view bytes) {
    if (!out_.empty()) {  // behind what waits already
      out_ += bytes;
      return;
    }
    error_code error;
    const std::size_t sent = socket_.write_some(asio::buffer(bytes), error);
    // An error will be heard of by whoever reads.
    if (error && error != asio::error::would_block) return;
    bytes.remove_prefix(sent);
    if (bytes.empty()) return;
    out_ = bytes;
    write_rest();
  }

  /// Nothing is told from here on.
  void forget() {
    network_ = nullptr;
    resolver_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void connect_local(const std::string& path) {
    try {
      connect({asio::local::stream_protocol::endpoint(path)}, false);
    } catch (const boost::system::system_error& error) {  // a path too long for a socket
      asio::post(socket_.get_executor(), [self = shared_from_this(), code = error.code()] {
        if (self->network_ != nullptr) self->lose(code);
      });
    }
  }

  /// The addresses of a name one after another.
  void connect_next(error_code last) {
    if (endpoints_.empty()) return lose(last);
    const tcp::endpoint endpoint = endpoints_.front();
    endpoints_.erase(endpoints_.begin());
    connect(endpoint, true);
  }

  void connect(const asio::generic::stream_protocol::endpoint& endpoint, bool tcp) {
    socket_.async_connect(endpoint, [self = shared_from_this(), tcp](const error_code& error) {
      if (self->network_ == nullptr) return;
      if (error) {
        error_code ignored;
        self->socket_.close(ignored);
        return self->connect_next(error);
      }
      error_code ignored;
      if (tcp) self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
      self->socket_.non_blocking(true, ignored);
      self->read();
      RedisNetwork& network = *self->network_;
      network.client_->on_open(self->number_, network.now());
      network.end_turn();
    });
  }

  void read() {
    socket_.async_read_some(
        asio::buffer(in_), [self = shared_from_this()](const error_code& error, std::size_t bytes) {
          if (self->network_ == nullptr) return;
          if (error) return self->lose(error);
          RedisNetwork& network = *self->network_;
          network.client_->on_bytes(self->number_, {self->in_.data(), bytes}, network.now());
          network.end_turn();
          if (self->network_ != nullptr) self->read();
        });
  }

  void write_rest() {
    socket_.async_write_some(asio::buffer(out_), [self = shared_from_this()](
                                                     const error_code& error, std::size_t bytes) {
      if (self->network_ == nullptr || error) return;
      self->out_.erase(0, bytes);
      if (!self->out_.empty()) self->write_rest();
    });
  }

  void lose(const error_code& error) {
    network_->lost(number_, type_of(error),
                   error == asio::error::eof ? "the connection was closed" : error.message());
  }

  RedisNetwork* network_;  ///< null: nobody wants to hear of this any more
  redis::LinkId number_;
  Resolver resolver_;
  Socket socket_;
  std::vector<tcp::endpoint> endpoints_;
  std::array<char, kReadBytes> in_;
  std::string out_;  ///< what could not be sent at once
};

RedisNetwork::RedisNetwork(asio::io_context& context, std::function<Micros()> clock)
    : context_(context), clock_(std::move(clock)), timer_(context.get_executor()) {}

RedisNetwork::~RedisNetwork() {
  for (const auto& [number, link] : links_) link->forget();
}

void RedisNetwork::drive(redis::Client& client, std::function<void(Micros)> end_of_turn) {
  client_ = &client;
  end_of_turn_ = std::move(end_of_turn);
}

void RedisNetwork::end_turn() {
  if (turn_ends_) return;
  turn_ends_ = true;
  asio::post(context_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    turn_ends_ = false;
    end_of_turn_(now());
  });
}

void RedisNetwork::open(redis::LinkId link, const redis::Endpoint& to) {
  const auto made = std::make_shared<Link>(*this, link);
  links_.emplace(link, made);
  made->open(to);
}

void RedisNetwork::write(redis::LinkId link, std::string_view bytes) {
  const auto found = links_.find(link);
  if (found != links_.end()) found->second->write(bytes);
}

void RedisNetwork::close(redis::LinkId link) {
  const auto found = links_.find(link);
  if (found == links_.end()) return;
  found->second->forget();
  links_.erase(found);
}

void RedisNetwork::lost(redis::LinkId link, redis::ErrorType type, std::string_view message) {
  close(link);
  client_->on_close(link, type, message, now());
  end_turn();
}

void RedisNetwork::wake_at(Micros time) {
  wanted_ = time;
  // Deadlines mostly move into the future: a timer that fires early is set again then.
  if (time < armed_) arm(time);
}

void RedisNetwork::arm(Micros time) {
  armed_ = time;
  const Micros now = clock_();
  timer_.expires_after(std::chrono::microseconds(time > now ? time - now : 0));
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const error_code& error) {
    if (error || alive.expired()) return;
    armed_ = kNever;
    const Micros woken = clock_();
    if (woken >= wanted_) {
      wanted_ = kNever;
      client_->on_time(woken);
      end_turn();
    } else if (wanted_ != kNever && wanted_ < armed_) {
      arm(wanted_);
    }
  });
}

}  // namespace tidegate::server
