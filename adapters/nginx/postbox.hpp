// How other threads hand work to the event loop of a worker.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "adapters/nginx/nginx.hpp"
#include "adapters/posix/file_descriptor.hpp"

namespace tidegate::nginx {

/// Shared by the loop and by threads that have something to say; what comes after close() is
/// dropped.
class Postbox {
 public:
  /// Throws std::system_error where there is no descriptor or connection to be had.
  [[nodiscard]] static std::shared_ptr<Postbox> open();

  /// Any thread. Runs on the event loop.
  void post(std::function<void()> work);
  /// On the event loop.
  void close();

 private:
  Postbox() = default;
  static void on_event(ngx_event_t* event);
  void run_all();

  posix::FileDescriptor descriptor_;
  ngx_connection_t* connection_ = nullptr;
  std::mutex mutex_;
  bool open_ = true;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace tidegate::nginx
