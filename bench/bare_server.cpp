// The demo server without any limiter: what `tidegate serve --demo` is measured against.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "adapters/asio/serve.hpp"

int main(int argc, char** argv) {
  tidegate::ServeOptions options;
  options.demo = true;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--listen") options.listen = argv[i + 1];
  }
  return tidegate::serve(options, nullptr);
}
