#include "adapters/asio/listening.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <system_error>

namespace tidegate::server {
namespace {

/// Requests of a burst that are not accepted yet wait in the kernel, as many as it allows.
constexpr int kBacklog = 4096;

struct HostPort {
  std::string host;
  std::string port;
};

std::optional<HostPort> split(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address without brackets: which colon is before the port?
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || error != std::errc() || end != port.data() + port.size()) {
    return std::nullopt;
  }
  return HostPort{std::string(host), std::string(port)};
}

std::string explain(int error, std::string_view address, std::string_view option) {
  if (error == EADDRINUSE) {
    return fmt::format("{} is taken by another program; choose another with {}", address, option);
  }
  return fmt::format("{} {}: {}", option, address, std::generic_category().message(error));
}

void set_option(int fd, int level, int name) {
  const int on = 1;
  // Neither option can fail on a fresh TCP socket, and the server works without them.
  ::setsockopt(fd, level, name, &on, sizeof on);
}

std::string url_of(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    const in_addr host{v4.sin_addr.s_addr == INADDR_ANY ? htonl(INADDR_LOOPBACK)
                                                        : v4.sin_addr.s_addr};
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &host, text, sizeof text);
    return fmt::format("http://{}:{}", text, ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const in6_addr host = IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) ? in6addr_loopback : v6.sin6_addr;
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, &host, text, sizeof text);
  return fmt::format("http://[{}]:{}", text, ntohs(v6.sin6_port));
}

}  // namespace

std::expected<Listening, Listening::Failure> Listening::on(std::string_view address,
                                                           std::string_view option) {
  const auto target = split(address);
  if (!target) {
    return std::unexpected(
        Failure{{fmt::format("{} {}: expected HOST:PORT, as 127.0.0.1:8000 or [::1]:8000", option,
                             address)},
                true});
  }
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int resolved = ::getaddrinfo(target->host.c_str(), target->port.c_str(), &hints, &list);
  if (resolved != 0) {
    return std::unexpected(
        Failure{{fmt::format("{} {}: {}", option, address, ::gai_strerror(resolved))}, true});
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);

  Listening socket(
      ::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!socket.file_.valid()) {
    return std::unexpected(Failure{{explain(errno, address, option)}});
  }
  // A server that restarts takes its port back at once.
  set_option(socket.fd(), SOL_SOCKET, SO_REUSEADDR);
  // Inherited by accepted sockets: a response is one write, which must not wait for more.
  set_option(socket.fd(), IPPROTO_TCP, TCP_NODELAY);
  if (::bind(socket.fd(), list->ai_addr, list->ai_addrlen) != 0 ||
      ::listen(socket.fd(), kBacklog) != 0) {
    return std::unexpected(Failure{{explain(errno, address, option)}});
  }
  socket.url_ = url_of(socket.fd());
  return socket;
}

}  // namespace tidegate::server
