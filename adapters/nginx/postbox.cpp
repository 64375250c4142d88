#include "adapters/nginx/postbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tidegate::nginx {

std::shared_ptr<Postbox> Postbox::open() {
  const std::shared_ptr<Postbox> box(new Postbox);
  box->descriptor_ = posix::FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (box->descriptor_.get() < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  ngx_connection_t* const connection = ngx_get_connection(box->descriptor_.get(), ngx_cycle->log);
  if (connection == nullptr) {
    throw std::system_error(ENFILE, std::system_category(), "worker_connections are used up");
  }
  box->connection_ = connection;
  connection->data = box.get();
  connection->read->handler = &on_event;
  connection->read->log = ngx_cycle->log;
  connection->read->channel = 1;  // it is nothing that an ending worker has forgotten
  if (ngx_add_event(connection->read, NGX_READ_EVENT, 0) != NGX_OK) {
    ngx_free_connection(connection);
    throw std::system_error(EINVAL, std::system_category(), "the event loop takes no eventfd");
  }
  return box;
}

void Postbox::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  waiting_.push_back(std::move(work));
  const std::uint64_t one = 1;
  // It cannot fail but where the count is at its end, and then the loop is woken anyway.
  [[maybe_unused]] const ssize_t written = ::write(descriptor_.get(), &one, sizeof one);
}

void Postbox::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  waiting_.clear();
  if (connection_ == nullptr) return;
  ngx_del_event(connection_->read, NGX_READ_EVENT, 0);
  ngx_free_connection(std::exchange(connection_, nullptr));
}

void Postbox::on_event(ngx_event_t* event) {
  auto* const box = static_cast<Postbox*>(static_cast<ngx_connection_t*>(event->data)->data);
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t read = ::read(box->descriptor_.get(), &count, sizeof count);
  without_exceptions([box] { box->run_all(); });
}

void Postbox::run_all() {
  std::deque<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work = std::exchange(waiting_, {});
  }
  for (const auto& each : work) each();
}

}  // namespace tidegate::nginx
