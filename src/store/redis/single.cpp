// One server, at the URL's address.
#include "store/redis/client_core.hpp"

namespace tidegate::redis {
namespace {

class Single final : public Router {
 public:
  explicit Single(Core& core) : core_(core) {}

  void begin(Micros now) override { core_.connect_to(server(), now); }
  Node* node_for(const Call&, Micros now) override {
    core_.connect_to(server(), now);
    return &server();
  }

  [[nodiscard]] std::vector<Endpoint> masters() const override { return {endpoint()}; }

 private:
  [[nodiscard]] Endpoint endpoint() const {
    return {.host = core_.url.host, .port = core_.url.port, .path = core_.url.path};
  }
  Node& server() { return core_.node_at(endpoint()); }

  Core& core_;
};

}  // namespace

std::unique_ptr<Router> make_single(Core& core) { return std::make_unique<Single>(core); }

}  // namespace tidegate::redis
