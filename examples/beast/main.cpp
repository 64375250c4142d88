// hello CONFIG PORT: a server on Boost.Beast, one request a connection, with limits in front.
#include <cstdlib>
#include <iostream>

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <tidegate/beast.hpp>

namespace http = boost::beast::http;
using boost::asio::ip::tcp;

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: hello CONFIG PORT\n", 2;
  const auto config = tidegate::load_config(argv[1]);
  if (!config) {
    for (const auto& fault : config.error()) std::cerr << to_string(fault) << '\n';
    return 1;
  }
  const auto limiter = tidegate::Limiter::open(*config);
  if (!limiter) return std::cerr << limiter.error().message << '\n', 1;
  const tidegate::RateLimitMiddleware guard(**limiter);

  boost::asio::io_context context;
  const auto port = static_cast<unsigned short>(std::atoi(argv[2]));
  tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), port});
  std::cout << "http://" << acceptor.local_endpoint() << std::endl;

  for (tidegate::Decision decision;;) {
    boost::system::error_code gone;  // a client that has left is no reason to stop
    tcp::socket socket = acceptor.accept();
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(socket, buffer, request, gone);
    const auto peer = socket.remote_endpoint(gone);
    if (gone) continue;
    if (guard.admit(request, peer, decision)) {
      http::response<http::string_body> response(http::status::ok, request.version(), "hello\n");
      response.prepare_payload();
      guard.add_fields(response, decision);
      http::write(socket, response, gone);
    } else {
      http::write(socket, guard.rejection(request, decision), gone);
    }
  }
}
