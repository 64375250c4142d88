#include "adapters/http/admin_reset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json/parse.hpp>

namespace tidegate::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxClientBytes = 1024;
constexpr std::string_view kForms =
    R"({"client":"user:42"}, {"client":"user:42","rule":"search"} or )"
    R"({"rule":"search","all_clients":true} is allowed)";

/// Collects what is said, and everything that is wrong with it.
class Reader {
 public:
  explicit Reader(const std::vector<std::string>& rules) : rules_(rules) {}

  void read(std::string_view name, const json::value& value) {
    if (name == "client") {
      has_client_ = read_text(name, value, request_.client);
      if (request_.client.size() > kMaxClientBytes) {
        faults_.push_back(fmt::format("client: {} bytes; at most {} are allowed",
                                      request_.client.size(), kMaxClientBytes));
      }
    } else if (name == "rule") {
      if (read_text(name, value, request_.rule)) check_rule();
    } else if (name == "all_clients") {
      all_clients_ = value.is_bool() && value.get_bool();
      if (!all_clients_) faults_.emplace_back("all_clients: only true is allowed");
    } else {
      faults_.push_back(
          fmt::format("{}: no such member; client, rule and all_clients are allowed", name));
    }
  }

  std::expected<ResetRequest, BadReset> take() {
    if (faults_.empty()) {
      if (has_client_ && all_clients_) {
        faults_.emplace_back("client and all_clients exclude each other");
      } else if (!has_client_ && (!all_clients_ || request_.rule.empty())) {
        faults_.push_back(fmt::format("nobody is named; {}", kForms));
      }
    }
    if (!faults_.empty()) return std::unexpected(BadReset{422, std::move(faults_)});
    return std::move(request_);
  }

 private:
  bool read_text(std::string_view name, const json::value& value, std::string& out) {
    if (!value.is_string() || value.get_string().empty()) {
      faults_.push_back(fmt::format("{}: a string that is not empty is allowed", name));
      return false;
    }
    out = std::string_view(value.get_string());
    return true;
  }

  void check_rule() {
    if (std::ranges::find(rules_, request_.rule) != rules_.end()) return;
    faults_.push_back(fmt::format("rule: there is no rule \"{}\"; there are {}", request_.rule,
                                  fmt::join(rules_, ", ")));
  }

  const std::vector<std::string>& rules_;
  ResetRequest request_;
  bool has_client_ = false;
  bool all_clients_ = false;
  std::vector<std::string> faults_;
};

}  // namespace

std::expected<ResetRequest, BadReset> read_reset(std::string_view body,
                                                 const std::vector<std::string>& rules) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 4;
  const json::value value = json::parse(body, failed, {}, options);
  if (failed) {
    return std::unexpected(
        BadReset{400, {fmt::format("the body is no JSON ({}); {}", failed.message(), kForms)}});
  }
  if (!value.is_object()) {
    return std::unexpected(BadReset{422, {fmt::format("the body is no object; {}", kForms)}});
  }
  Reader reader(rules);
  for (const auto& [name, member] : value.get_object()) reader.read(name, member);
  return reader.take();
}

}  // namespace tidegate::server
