// Opens the ports that workers inherit.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "adapters/posix/file_descriptor.hpp"
#include "tidegate/error.hpp"

namespace tidegate::server {

/// A listening socket, closed by the destructor.
class Listening {
 public:
  /// Listens on HOST:PORT or [v6]:PORT; port 0 takes a free one. The error names `option`, says
  /// what is wrong in one line, and `usage` tells whether the address itself makes no sense.
  struct Failure {
    Error error;
    bool usage = false;
  };
  [[nodiscard]] static std::expected<Listening, Failure> on(std::string_view address,
                                                            std::string_view option);

  [[nodiscard]] int fd() const { return file_.get(); }
  /// "http://127.0.0.1:8000": where somebody on this host reaches it. Of a wildcard address the
  /// loopback address.
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  explicit Listening(int fd) : file_(fd) {}

  posix::FileDescriptor file_;
  std::string url_;
};

}  // namespace tidegate::server
