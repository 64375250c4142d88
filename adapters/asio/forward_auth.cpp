#include "adapters/asio/forward_auth.hpp"

#include <algorithm>
#include <array>

namespace tidegate::server {
namespace {

/// Up to two different values of some header lines.
class Two {
 public:
  /// False: there were more.
  bool add(std::string_view value) {
    if (value == values_[0] && count_ > 0) return true;
    if (value == values_[1] && count_ > 1) return true;
    if (count_ == 2) return false;
    values_[count_++] = value;
    return true;
  }
  bool add_all(const HeaderLines& headers, std::string_view name) {
    bool fits = true;
    headers.each(name, [&](std::string_view value) { return fits = add(value); });
    return fits;
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  std::string_view operator[](std::size_t i) const { return values_[i]; }

 private:
  std::array<std::string_view, 2> values_;
  std::size_t count_ = 0;
};

}  // namespace

std::expected<Asked, std::string_view> read_asked(const HeaderLines& headers,
                                                  std::string_view own_method) {
  Two targets;
  if (!targets.add_all(headers, "X-Forwarded-Uri") || !targets.add_all(headers, "X-Original-URI")) {
    return std::unexpected("X-Forwarded-Uri and X-Original-URI name more than two targets");
  }
  if (targets.count() == 0) {
    return std::unexpected("X-Forwarded-Uri or X-Original-URI must name the target asked about");
  }
  Two methods;
  if (!methods.add_all(headers, "X-Forwarded-Method") ||
      !methods.add_all(headers, "X-Original-Method") || methods.count() == 2) {
    return std::unexpected("X-Forwarded-Method and X-Original-Method contradict each other");
  }
  return Asked{.method = methods.count() == 1 ? methods[0] : own_method,
               .target = targets[0],
               .other_target = targets.count() == 2 ? std::optional(targets[1]) : std::nullopt};
}

std::expected<std::optional<unsigned>, std::string_view> read_deny(std::string_view auth_target) {
  constexpr std::string_view kName = "deny=";
  std::optional<unsigned> status;
  auto rest = auth_target.substr(std::min(auth_target.find('?'), auth_target.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the ? or &
    const auto parameter = rest.substr(0, rest.find('&'));
    rest.remove_prefix(parameter.size());
    if (!parameter.starts_with(kName)) continue;
    if (parameter.substr(kName.size()) != "403") {
      return std::unexpected("deny may only be 403");
    }
    status = 403;
  }
  return status;
}

}  // namespace tidegate::server
