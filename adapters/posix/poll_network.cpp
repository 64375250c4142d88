#include "adapters/posix/poll_network.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace tidegate::posix {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} << 10;
constexpr Micros kLongestPoll = 100'000;

std::string message_of(int error) { return std::generic_category().message(error); }

}  // namespace

Micros steady_us() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<Micros>(time.tv_sec) * 1'000'000 + static_cast<Micros>(time.tv_nsec) / 1'000;
}

void PollNetwork::drive(redis::Client& client, std::function<void(Micros)> end_of_turn) {
  client_ = &client;
  end_of_turn_ = std::move(end_of_turn);
}

std::vector<PollNetwork::Address> PollNetwork::resolve(const redis::Endpoint& to,
                                                       std::string& failed) {
  std::vector<Address> addresses;
  const auto add = [&addresses](const void* address, std::size_t size, int family) {
    Address& added = addresses.emplace_back();
    added.family = family;
    const auto* const bytes = static_cast<const std::byte*>(address);
    added.bytes.assign(bytes, bytes + size);
  };
  if (!to.path.empty()) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    if (to.path.size() >= sizeof local.sun_path) {
      failed = "the path is too long for a socket";
      return addresses;
    }
    std::memcpy(local.sun_path, to.path.c_str(), to.path.size() + 1);
    add(&local, sizeof local, AF_UNIX);
    return addresses;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
  if (error != 0) {
    failed = ::gai_strerror(error);
    return addresses;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    add(each->ai_addr, each->ai_addrlen, each->ai_family);
  }
  return addresses;
}

/// Begins to connect to the next address that takes it.
void PollNetwork::connect_next(Link& link) {
  link.socket = {};
  while (!link.addresses.empty()) {
    const Address address = std::move(link.addresses.front());
    link.addresses.erase(link.addresses.begin());
    FileDescriptor socket(::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) {
      link.failed = message_of(errno);
      continue;
    }
    const auto* const to = reinterpret_cast<const sockaddr*>(address.bytes.data());
    if (::connect(socket.get(), to, static_cast<socklen_t>(address.bytes.size())) == 0 ||
        errno == EINPROGRESS) {
      const int on = 1;
      if (address.family != AF_UNIX) {
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      }
      link.socket = std::move(socket);
      return;
    }
    link.failed = message_of(errno);
  }
}

void PollNetwork::open(redis::LinkId link, const redis::Endpoint& to) {
  Link& made = links_[link];
  made.addresses = resolve(to, made.failed);
  connect_next(made);  // one without a socket is told of in the next turn
}

void PollNetwork::write(redis::LinkId link, std::string_view bytes) {
  const auto found = links_.find(link);
  if (found == links_.end() || !found->second.connected) return;
  Link& its = found->second;
  if (its.out.empty()) {
    const ssize_t sent = ::send(its.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  its.out += bytes;  // an error will be heard of by whoever reads
}

void PollNetwork::lose(redis::LinkId id, redis::ErrorType type, std::string_view message) {
  links_.erase(id);
  client_->on_close(id, type, message, now());
  turn_ends_ = true;
}

void PollNetwork::read(redis::LinkId id) {
  std::array<char, kReadBytes> piece;
  const ssize_t got = ::recv(links_.at(id).socket.get(), piece.data(), piece.size(), 0);
  if (got > 0) {
    client_->on_bytes(id, {piece.data(), static_cast<std::size_t>(got)}, now());
    turn_ends_ = true;
  } else if (got == 0) {
    lose(id, redis::ErrorType::refused, "the connection was closed");
  } else if (errno != EAGAIN && errno != EINTR) {
    lose(id, redis::ErrorType::refused, message_of(errno));
  }
}

void PollNetwork::attend(redis::LinkId id, short events) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Link& link = found->second;
  if (!link.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(link.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      link.failed = message_of(error);
      connect_next(link);
      return;
    }
    link.connected = true;
    client_->on_open(id, now());
    turn_ends_ = true;
    return;
  }
  if ((events & POLLOUT) != 0 && !link.out.empty()) {
    const ssize_t sent = ::send(link.socket.get(), link.out.data(), link.out.size(), MSG_NOSIGNAL);
    if (sent > 0) link.out.erase(0, static_cast<std::size_t>(sent));
  }
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) read(id);
}

void PollNetwork::turn(Micros until) {
  std::vector<pollfd> polled;
  std::vector<redis::LinkId> ids;
  std::vector<redis::LinkId> dead;
  for (auto& [id, link] : links_) {
    if (!link.socket.valid()) {
      dead.push_back(id);
      continue;
    }
    const bool writes = !link.connected || !link.out.empty();
    polled.push_back(
        {link.socket.get(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
    ids.push_back(id);
  }
  for (const redis::LinkId id : dead) {
    const std::string why = links_.at(id).failed;
    lose(id, redis::ErrorType::refused, why);
  }
  const Micros began = now();
  const Micros next = std::min({until, wake_at_, began + kLongestPoll});
  const Micros wait = turn_ends_ || next <= began ? 0 : next - began;
  const timespec timeout{.tv_sec = static_cast<time_t>(wait / 1'000'000),
                         .tv_nsec = static_cast<long>(wait % 1'000'000 * 1'000)};
  if (::ppoll(polled.data(), polled.size(), &timeout, nullptr) > 0) {
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) attend(ids[i], polled[i].revents);
    }
  }
  if (const Micros woken = now(); wake_at_ <= woken) {
    wake_at_ = kNever;
    client_->on_time(woken);
    turn_ends_ = true;
  }
  if (turn_ends_) {
    turn_ends_ = false;
    end_of_turn_(now());
  }
}

bool PollNetwork::run_until(const std::function<bool()>& done, Micros deadline) {
  while (!done()) {
    if (now() >= deadline) return false;
    turn(deadline);
  }
  return true;
}

}  // namespace tidegate::posix
