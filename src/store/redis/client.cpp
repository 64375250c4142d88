#include "store/redis/client.hpp"

#include <utility>

#include "store/redis/client_core.hpp"

namespace tidegate::redis {

struct Client::Impl {
  Core core;
};

Client::Client(ClientOptions options, Network& network, Listener& listener)
    : impl_(new Impl{Core(std::move(options), network, listener)}) {}
Client::~Client() = default;

void Client::connect(Micros now) { impl_->core.connect(now); }
void Client::call(std::uint64_t number, Call call, Micros deadline, Micros now) {
  impl_->core.call(number, std::move(call), deadline, now);
}
void Client::cancel(std::uint64_t number) { impl_->core.cancel(number); }
void Client::flush(Micros now) { impl_->core.flush(now); }
void Client::on_open(LinkId link, Micros now) { impl_->core.on_open(link, now); }
void Client::on_bytes(LinkId link, std::string_view bytes, Micros now) {
  impl_->core.on_bytes(link, bytes, now);
}
void Client::on_close(LinkId link, ErrorType type, std::string_view message, Micros now) {
  impl_->core.on_close(link, type, message, now);
}
void Client::on_time(Micros now) { impl_->core.on_time(now); }
bool Client::by_slot() const {
  return impl_->core.options.config.topology == RedisConfig::Topology::cluster;
}
std::uint64_t Client::server_of(Slot slot) const { return impl_->core.server_of(slot); }
std::vector<Endpoint> Client::masters() const { return impl_->core.masters(); }
void Client::shut_down(Micros now) { impl_->core.shut_down(now); }

}  // namespace tidegate::redis
