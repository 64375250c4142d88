// Writes the keys that all contenders decide for: bench_keys CLIENTS CALLS FOLDER makes the files
// uniform-0, uniform-1, zipf-0 and zipf-1, one for each thread.
#include "bench/keys.hpp"

#include <fmt/format.h>

#include <cstdlib>

int main(int argc, char** argv) {
  using tidegate::bench::KeyStream;
  using tidegate::bench::Zipf;
  if (argc != 4) {
    fmt::print(stderr, "usage: bench_keys CLIENTS CALLS FOLDER\n");
    return 2;
  }
  const std::uint64_t clients = std::strtoull(argv[1], nullptr, 10);
  const std::size_t calls = std::strtoull(argv[2], nullptr, 10);
  for (unsigned thread = 0; thread < 2; ++thread) {
    std::mt19937_64 random(42 + thread);
    std::uniform_int_distribution<std::uint64_t> uniform(0, clients - 1);
    Zipf zipf(clients, 0.99);
    KeyStream(calls, [&] {
      return uniform(random);
    }).write(fmt::format("{}/uniform-{}", argv[3], thread));
    KeyStream(calls, [&] {
      return zipf(random);
    }).write(fmt::format("{}/zipf-{}", argv[3], thread));
  }
  return 0;
}
