#include "adapters/nginx/redis_network.hpp"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "adapters/posix/background.hpp"

namespace tidegate::nginx {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} << 10;
constexpr Micros kMilli = 1'000;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

struct Resolved {
  std::vector<Address> addresses;
  std::string error;
};

Resolved resolve(const std::string& host, std::uint16_t port, int flags) {
  Resolved resolved;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) {
    resolved.error = ::gai_strerror(failed);
    return resolved;
  }
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Address& address = resolved.addresses.emplace_back();
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
  }
  ::freeaddrinfo(found);
  return resolved;
}

std::string text_of(int error) { return std::system_category().message(error); }

redis::ErrorType type_of(int error) {
  return error == ETIMEDOUT ? redis::ErrorType::timeout : redis::ErrorType::refused;
}

}  // namespace

/// One connection, or an attempt to have one.
class RedisNetwork::Link {
 public:
  Link(RedisNetwork& network, redis::LinkId number) : network_(network), number_(number) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { close(); }

  void open(const redis::Endpoint& to) {
    name_ = to.path.empty() ? to.host + ':' + std::to_string(to.port) : to.path;
    if (!to.path.empty()) return connect_local(to.path);
    Resolved numeric = resolve(to.host, to.port, AI_NUMERICHOST | AI_NUMERICSERV);
    if (!numeric.addresses.empty()) {
      addresses_ = std::move(numeric.addresses);
      return connect_later();
    }
    try {
      resolve_behind(to);
    } catch (const std::exception&) {  // there is no thread to be had
      last_error_ = EAGAIN;
      connect_later();
    }
  }

  void write(std::string_view bytes) {
    if (connection_ == nullptr) return;
    if (!out_.empty()) {  // behind what waits already
      out_ += bytes;
      return;
    }
    bytes.remove_prefix(send(bytes));
    out_ = bytes;
  }

 private:
  void connect_local(const std::string& path) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    Address& address = addresses_.emplace_back();
    if (path.size() >= sizeof local.sun_path) {
      addresses_.clear();
      last_error_ = ENAMETOOLONG;
    } else {
      path.copy(local.sun_path, path.size());
      std::memcpy(&address.storage, &local, sizeof local);
      address.size = sizeof local;
    }
    connect_later();
  }

  void resolve_behind(const redis::Endpoint& to) {
    posix::run_behind([to, number = number_, box = network_.postbox_,
                       alive = std::weak_ptr(network_.alive_)] {
      box->post([number, alive, resolved = resolve(to.host, to.port, 0)] {
        const auto network = alive.lock();
        Link* const link = network ? (*network)->find(number) : nullptr;
        if (link != nullptr) link->take(resolved);
      });
    }).detach();
  }

  /// A driver never answers from within a call of the client's.
  void connect_later() {
    network_.postbox_->post([number = number_, alive = std::weak_ptr(network_.alive_)] {
      const auto network = alive.lock();
      Link* const link = network ? (*network)->find(number) : nullptr;
      if (link != nullptr) link->connect_next();
    });
  }

  void take(const Resolved& resolved) {
    if (resolved.addresses.empty()) {
      return network_.lost(number_, redis::ErrorType::refused, name_ + ": " + resolved.error);
    }
    addresses_ = resolved.addresses;
    connect_next();
  }

  /// The addresses of a name one after another.
  void connect_next() {
    while (!addresses_.empty()) {
      address_ = addresses_.front();
      addresses_.erase(addresses_.begin());
      const ngx_int_t result = connect();
      if (result == NGX_OK) return connected();
      if (result == NGX_AGAIN) return;
    }
    network_.lost(number_, type_of(last_error_), text_of(last_error_));
  }

  ngx_int_t connect() {
    shown_ = borrowed(name_);
    ngx_peer_connection_t peer{};
    peer.sockaddr = reinterpret_cast<sockaddr*>(&address_.storage);
    peer.socklen = address_.size;
    peer.name = &shown_;
    peer.get = &ngx_event_get_peer;
    peer.log = ngx_cycle->log;
    peer.log_error = NGX_ERROR_INFO;  // an outage is told once, by whoever notices it
    errno = 0;
    const ngx_int_t result = ngx_event_connect_peer(&peer);
    if (result != NGX_OK && result != NGX_AGAIN) {
      last_error_ = errno != 0 ? errno : ECONNREFUSED;
      if (peer.connection != nullptr) ngx_close_connection(peer.connection);
      return NGX_ERROR;
    }
    connection_ = peer.connection;
    connection_->data = this;
    connection_->read->handler = &on_event;
    connection_->write->handler = &on_event;
    return result;
  }

  void connected() {
    connected_ = true;
    if (address_.storage.ss_family != AF_UNIX) ngx_tcp_nodelay(connection_);
    RedisNetwork& network = network_;
    network.client_->on_open(number_, network.now());
    network.end_turn();
  }

  static void on_event(ngx_event_t* event) {
    auto* const connection = static_cast<ngx_connection_t*>(event->data);
    auto* const link = static_cast<Link*>(connection->data);
    without_exceptions([link, event] {
      if (!link->connected_) {
        link->find_out_whether_connected();
      } else if (event->write != 0) {
        link->write_rest();
      } else {
        link->read();
      }
    });
  }

  void find_out_whether_connected() {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(connection_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error == 0 && connection_->write->ready == 0) return;  // not yet
    if (error == 0) return connected();
    last_error_ = error;
    close();
    connect_next();
  }

  void read() {
    // A call of the client's may end this link, or its network.
    const std::weak_ptr alive(network_.alive_);
    const redis::LinkId number = number_;
    RedisNetwork& network = network_;
    for (;;) {
      std::array<u_char, kReadBytes> bytes;
      const ssize_t count = connection_->recv(connection_, bytes.data(), bytes.size());
      if (count == NGX_AGAIN) break;
      if (count <= 0) {
        return network.lost(number, redis::ErrorType::refused,
                            count == 0 ? "the connection was closed" : text_of(ngx_socket_errno));
      }
      network.client_->on_bytes(
          number, {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count)},
          network.now());
      if (alive.expired()) return;
      network.end_turn();
      if (network.find(number) != this) return;
    }
    if (ngx_handle_read_event(connection_->read, 0) != NGX_OK) {
      network.lost(number, redis::ErrorType::refused, "the event loop gave it up");
    }
  }

  /// How much went out. What is wrong with the connection is heard of by whoever reads.
  std::size_t send(std::string_view bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t count = connection_->send(
          connection_,
          reinterpret_cast<u_char*>(const_cast<char*>(bytes.data() + sent)),  // NOLINT: only read
          bytes.size() - sent);
      if (count == NGX_ERROR) return bytes.size();
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    if (ngx_handle_write_event(connection_->write, 0) != NGX_OK) return bytes.size();
    return sent;
  }

  void write_rest() {
    if (!out_.empty()) out_.erase(0, send(out_));
  }

  void close() {
    connected_ = false;
    if (connection_ != nullptr) ngx_close_connection(std::exchange(connection_, nullptr));
  }

  RedisNetwork& network_;
  redis::LinkId number_;
  std::string name_;  ///< for log lines of nginx
  ngx_str_t shown_{};
  std::vector<Address> addresses_;  ///< not yet tried
  Address address_;
  int last_error_ = ECONNREFUSED;
  ngx_connection_t* connection_ = nullptr;
  bool connected_ = false;
  std::string out_;  ///< what could not be sent at once
};

RedisNetwork::RedisNetwork(std::shared_ptr<Postbox> postbox, std::function<Micros()> clock)
    : postbox_(std::move(postbox)),
      clock_(std::move(clock)),
      alive_(std::make_shared<RedisNetwork*>(this)) {
  prepare<&RedisNetwork::turn_ended>(turn_, *this);
  prepare<&RedisNetwork::woken>(timer_, *this);
  timer_.cancelable = 1;  // it keeps no worker from ending
}

RedisNetwork::~RedisNetwork() {
  if (turn_.posted != 0) {
    ngx_delete_posted_event(&turn_);
  }
  if (timer_.timer_set != 0) ngx_del_timer(&timer_);
}

void RedisNetwork::drive(redis::Client& client, std::function<void(Micros)> end_of_turn) {
  client_ = &client;
  end_of_turn_ = std::move(end_of_turn);
}

/// What is posted runs when all that is ready has run.
void RedisNetwork::end_turn() {
  if (turn_.posted != 0) return;
  ngx_post_event((&turn_), &ngx_posted_events);
}

void RedisNetwork::turn_ended() { end_of_turn_(now()); }

RedisNetwork::Link* RedisNetwork::find(redis::LinkId link) const {
  const auto found = links_.find(link);
  return found == links_.end() ? nullptr : found->second.get();
}

void RedisNetwork::open(redis::LinkId link, const redis::Endpoint& to) {
  links_.emplace(link, std::make_unique<Link>(*this, link)).first->second->open(to);
}

void RedisNetwork::write(redis::LinkId link, std::string_view bytes) {
  if (Link* const found = find(link)) found->write(bytes);
}

void RedisNetwork::close(redis::LinkId link) { links_.erase(link); }

void RedisNetwork::lost(redis::LinkId link, redis::ErrorType type, std::string_view message) {
  const std::string kept(message);
  close(link);
  client_->on_close(link, type, kept, now());
  end_turn();
}

void RedisNetwork::wake_at(Micros time) {
  wanted_ = time;
  // Deadlines mostly move into the future: a timer that fires early is set again then.
  if (time >= armed_) return;
  armed_ = time;
  const Micros now = clock_();
  const Micros wait = time > now ? time - now : 0;
  constexpr Micros kLongest = Micros{3'600} * 1'000'000;
  ngx_add_timer(&timer_, static_cast<ngx_msec_t>((std::min(wait, kLongest) + kMilli - 1) / kMilli));
}

void RedisNetwork::woken() {
  armed_ = kNever;
  const Micros time = now();
  if (time >= wanted_) {
    wanted_ = kNever;
    client_->on_time(time);
    end_turn();
  } else if (wanted_ != kNever) {
    wake_at(wanted_);
  }
}

}  // namespace tidegate::nginx
