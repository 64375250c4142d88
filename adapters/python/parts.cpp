#include "adapters/python/parts.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "adapters/posix/segment.hpp"
#include "adapters/python/decided.hpp"
#include "adapters/python/scope.hpp"
#include "core/cidr.hpp"
#include "identity/forwarded.hpp"
#include "observe/log_line.hpp"
#include "policy/path.hpp"
#include "policy/policy.hpp"
#include "tidegate/client.hpp"
#include "tidegate/config.hpp"
#include "tidegate/token.hpp"

namespace tidegate::python {
namespace {

namespace nb = nanobind;

std::string client_ip(nb::handle scope, std::uint32_t depth,
                      const std::vector<std::string>& proxies) {
  ProxyTrust trust{.depth = depth, .proxies = {}};
  for (const std::string& text : proxies) {
    const auto range = Cidr::parse(text);
    if (!range) {
      throw std::invalid_argument("trusted_proxies: found \"" + text +
                                  "\", allowed: addresses and CIDRs");
    }
    trust.proxies.push_back(*range);
  }
  if (depth != 0 && !proxies.empty()) {
    throw std::invalid_argument("give either trusted_proxy_depth or trusted_proxies, not both");
  }
  const ScopeRequest asked(scope.ptr());
  const auto address = get_client_ip(asked.request.peer, asked.request.headers, trust);
  std::string text;
  if (!address) return "local";
  address->append_to(text);
  return text;
}

ClientIdentity user_of_token(const std::string& token, const std::string& keys,
                             const std::vector<std::string>& algorithms,
                             const std::string& user_claim, const std::string& tier_claim,
                             const std::string& issuer, const std::string& audience,
                             double leeway) {
  constexpr double kMicrosOfSecond = 1e6;
  JwtConfig config;
  config.algorithms = algorithms;
  config.user_claim = user_claim;
  config.tier_claim = tier_claim;
  config.issuer = issuer;
  config.audience = audience;
  config.leeway = std::chrono::microseconds(static_cast<std::int64_t>(leeway * kMicrosOfSecond));
  const auto client = extract_user_from_jwt(token, config, keys, posix::wall_us());
  if (!client) throw std::invalid_argument(std::string(to_string(client.error())));
  return *client;
}

/// The rules of a configuration by themselves, without a store.
class Matcher {
 public:
  explicit Matcher(const LoadedConfig& loaded) {
    auto policy = Policy::compile(loaded.config, {});
    if (!policy) throw std::runtime_error(policy.error().message);
    policy_ = std::move(*policy);
  }

  [[nodiscard]] std::string match(const std::string& method, const std::string& target) const {
    return rule(method, target).name;
  }
  [[nodiscard]] std::optional<LimitConfig> limit(const std::string& method,
                                                 const std::string& target,
                                                 const std::string& tier) const {
    const Limit& found = Policy::get_applicable_limit(rule(method, target), tier);
    if (found.empty()) return std::nullopt;
    LimitConfig limit{.algorithm = found.front().window.algorithm, .windows = {}};
    for (const Counter& counter : found) {
      const Window& window = counter.window;
      limit.windows.push_back({.limit = window.limit,
                               .window = std::chrono::microseconds(window.window_us),
                               .burst = window.algorithm == Algorithm::token_bucket
                                            ? std::optional(window.capacity)
                                            : std::nullopt});
    }
    return limit;
  }

 private:
  [[nodiscard]] const Rule& rule(const std::string& method, const std::string& target) const {
    PathReadings readings;
    read_path(target, readings);
    return policy_->match(readings.path, method);
  }

  std::unique_ptr<const Policy> policy_;
};

std::string log_line(const Decided& decided, const std::string& request_id) {
  const Decision& decision = decided.decision;
  if (decision.spoken_of() == nullptr) return "";
  std::string line;
  append_log_line(decision, decision.admitted() ? LogLevel::debug : LogLevel::info,
                  posix::wall_us(), request_id, 0, line);
  line.pop_back();
  return line;
}

}  // namespace

void bind_parts(nb::module_& module) {
  using namespace nb::literals;
  module.def(
      "normalize_ip",
      [](const std::string& text, unsigned ipv6_prefix) { return normalize_ip(text, ipv6_prefix); },
      "text"_a, "ipv6_prefix"_a = 64,
      "The canonical text of an address, IPv6 grouped by its prefix; None if it is no address.");
  module.def("get_client_ip", &client_ip, "scope"_a, nb::kw_only(), "trusted_proxy_depth"_a = 0,
             "trusted_proxies"_a = std::vector<std::string>(),
             "The client's address behind trusted proxies; \"local\" where no address is known.");
  module.def("extract_user_from_jwt", &user_of_token, "token"_a, "keys"_a, nb::kw_only(),
             "algorithms"_a = std::vector<std::string>{"HS256"}, "user_claim"_a = "user_id",
             "tier_claim"_a = "tier", "issuer"_a = "", "audience"_a = "", "leeway"_a = 30.0,
             "Whom a token names. `keys` is the secret, or the text of a PEM or JWKS file. Raises "
             "ValueError with what is wrong with the token, as \"expired\".");
  nb::class_<Matcher>(module, "EndpointMatcher", "Which rule of a configuration a path meets.")
      .def(nb::init<const LoadedConfig&>(), "config"_a)
      .def("match", &Matcher::match, "method"_a, "target"_a,
           "Name of the rule; \"default\" where no endpoint matches.")
      .def("limit", &Matcher::limit, "method"_a, "target"_a, "tier"_a = "anonymous",
           "What holds there for a tier; None: unlimited.");
  module.def("log_line", &log_line, "decision"_a, "request_id"_a);
}

}  // namespace tidegate::python
