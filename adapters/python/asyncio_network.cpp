#include "adapters/python/asyncio_network.hpp"

#include <string>
#include <utility>

namespace tidegate::python {

namespace nb = nanobind;

AsyncioNetwork::AsyncioNetwork(nb::object driver, std::function<Micros()> clock)
    : driver_(std::move(driver)), clock_(std::move(clock)) {}

AsyncioNetwork::~AsyncioNetwork() {
  try {
    driver_.attr("shut_down")();
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("the end of a connection to Redis");
  }
}

void AsyncioNetwork::drive(redis::Client& client, std::function<void(Micros)> end_of_turn) {
  client_ = &client;
  end_of_turn_ = std::move(end_of_turn);
  driver_.attr("network") = nb::cast(this, nb::rv_policy::reference);
}

void AsyncioNetwork::end_turn() {
  if (std::exchange(turn_ends_, true)) return;
  driver_.attr("end_turn")();
}

void AsyncioNetwork::open(redis::LinkId link, const redis::Endpoint& to) {
  driver_.attr("open")(link, to.host.c_str(), to.port, to.path.c_str());
}

void AsyncioNetwork::write(redis::LinkId link, std::string_view bytes) {
  driver_.attr("write")(link, nb::bytes(bytes.data(), bytes.size()));
}

void AsyncioNetwork::close(redis::LinkId link) { driver_.attr("close")(link); }

void AsyncioNetwork::wake_at(Micros time) {
  wanted_ = time;
  // Deadlines mostly move into the future: a timer that fires early is set again then.
  if (time >= armed_) return;
  armed_ = time;
  const Micros now = clock_();
  constexpr double kMicrosOfSecond = 1e6;
  driver_.attr("wake")(time > now ? static_cast<double>(time - now) / kMicrosOfSecond : 0.0);
}

void AsyncioNetwork::opened(redis::LinkId link) { client_->on_open(link, now()); }

void AsyncioNetwork::received(redis::LinkId link, std::string_view bytes) {
  client_->on_bytes(link, bytes, now());
}

void AsyncioNetwork::lost(redis::LinkId link, bool timed_out, std::string_view message) {
  client_->on_close(link, timed_out ? redis::ErrorType::timeout : redis::ErrorType::refused,
                    message, now());
}

void AsyncioNetwork::woken() {
  armed_ = kNever;
  const Micros time = now();
  if (time >= wanted_) {
    wanted_ = kNever;
    client_->on_time(time);
  } else if (wanted_ != kNever) {
    wake_at(wanted_);
  }
}

void AsyncioNetwork::turn_ended() {
  turn_ends_ = false;
  end_of_turn_(now());
}

}  // namespace tidegate::python
