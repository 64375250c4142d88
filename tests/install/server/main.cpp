// A server on Boost.Beast that takes one request a connection: server CONFIG. Prints its port.
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "tidegate/beast.hpp"

namespace http = boost::beast::http;
using boost::asio::ip::tcp;

int main(int, char** argv) {
  const auto config = tidegate::load_config(argv[1]);
  if (!config) return 1;
  const auto limiter = tidegate::Limiter::open(*config);
  if (!limiter) return 1;
  const tidegate::RateLimitMiddleware guard(**limiter);

  boost::asio::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  std::cout << acceptor.local_endpoint().port() << std::endl;
  tidegate::Decision decision;
  for (;;) {
    tcp::socket socket = acceptor.accept();
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(socket, buffer, request);
    http::response<http::string_body> response(http::status::ok, request.version());
    if (guard.admit(request, socket.remote_endpoint(), decision)) {
      response.prepare_payload();
      guard.add_fields(response, decision);
    } else {
      response = guard.rejection(request, decision);
    }
    http::write(socket, response);
  }
}
