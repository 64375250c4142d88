#include "adapters/nginx/worker.hpp"

#include <functional>
#include <utility>

#include "adapters/nginx/redis_network.hpp"

namespace tidegate::nginx {
namespace {

constexpr ngx_msec_t kSecond = 1'000;
constexpr ngx_msec_t kHour = 3'600'000;  // no decision takes so long
/// More than a busy worker decides at a time; what is above is made anew.
constexpr std::size_t kMostGates = 1'024;

std::unique_ptr<Worker>& worker() {
  static std::unique_ptr<Worker> worker;
  return worker;
}

}  // namespace

Worker* Worker::current() { return worker().get(); }

void Worker::start(const MainSettings& settings, std::size_t workers, bool forked) {
  if (forked) settings.limiter->after_fork();
  worker() = std::make_unique<Worker>(settings, workers);
}

void Worker::stop() { worker().reset(); }

Worker::Worker(const MainSettings& settings, std::size_t workers)
    : limiter_(settings.limiter),
      lines_(settings.lines),
      postbox_(Postbox::open()),
      service_(false, limiter_.get()),
      admin_(limiter_.get()) {
  if (limiter_->config()->backend == BackendKind::redis) {
    session_.emplace(
        *limiter_,
        [this](std::function<Micros()> clock) {
          return std::make_unique<RedisNetwork>(postbox_, std::move(clock));
        },
        workers);
    session_->connect();
  }
  prepare<&Worker::every_second>(timer_, *this);
  timer_.cancelable = 1;  // it keeps no worker from ending
  ngx_add_timer(&timer_, kSecond);
  prepare<&Worker::hold_on>(held_, *this);
}

Worker::~Worker() {
  if (held_.timer_set != 0) ngx_del_timer(&held_);
  if (timer_.timer_set != 0) ngx_del_timer(&timer_);
  session_.reset();
  postbox_->close();
  flush_log();
}

void Worker::every_second() {
  ngx_add_timer(&timer_, kSecond);
  limiter_->refresh();
  flush_log();
}

void Worker::hold() {
  Worker& it = *current();
  if (it.holders_++ == 0) it.hold_on();
}

void Worker::hold_on() { ngx_add_timer(&held_, kHour); }

void Worker::let_go() noexcept {
  Worker* const it = current();
  if (it != nullptr && --it->holders_ == 0) ngx_del_timer(&it->held_);
}

void Worker::flush_log() { nginx::flush_log(*lines_, ngx_cycle->log); }

Gate* Worker::take_gate() {
  if (gates_.empty()) return new Gate;
  Gate* const gate = gates_.back().release();
  gates_.pop_back();
  return gate;
}

void Worker::take_back(Gate* gate) noexcept {
  std::unique_ptr<Gate> owned(gate);
  gate->end();
  Worker* const it = current();
  if (it == nullptr || it->gates_.size() == kMostGates) return;
  without_exceptions([&] { it->gates_.push_back(std::move(owned)); });
}

}  // namespace tidegate::nginx
