// What somebody writes who has only the installed library: three requests, of which two may pass.
#include <iostream>

#include "tidegate/limiter.hpp"

int main(int, char** argv) {
  const auto config = tidegate::load_config(argv[1]);
  if (!config) return 1;
  const auto limiter = tidegate::Limiter::open(*config);
  if (!limiter) return 1;
  tidegate::Decision decision;
  for (int i = 0; i < 3; ++i) {
    (*limiter)->decide(
        {.peer = tidegate::IpAddress::parse("203.0.113.7"), .method = "GET", .target = "/"},
        decision);
    std::cout << decision.status() << '\n';
  }
}
