#include "engine/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "engine/json_text.hpp"

namespace tidegate {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_bytes(text, out);
  return out;
}

void add_line(std::string& out, std::string_view text) { (out += "  ").append(text) += '\n'; }

/// One reading of a path: whether it is exempt, and the rule it meets.
void explain_reading(const Policy& policy, std::string_view path, std::string_view method,
                     std::string_view how, std::string& out) {
  add_line(out, fmt::format("{} {}", how,
                            path.empty() ? "(none: only the default applies)" : quoted(path)));
  if (policy.exempt(path, method)) add_line(out, "  is exempt");
  const Rule& rule = policy.match(path, method);
  add_line(out, &rule == &policy.default_rule()
                    ? std::string("  meets no endpoint's rule: the default applies")
                    : fmt::format("  meets the rule {}", quoted(rule.name)));
}

std::string_view counts_for(Per per) {
  switch (per) {
    case Per::client:
      return "";
    case Per::address:
      return ", counted for the address whoever the client is";
    case Per::all:
      return ", one count for everybody";
  }
  return "";
}

void explain_rule(const Rule& rule, const Request& request, std::string_view tier,
                  std::string& out) {
  const Limit& limit = Policy::get_applicable_limit(rule, tier);
  const std::uint64_t cost = request.cost.value_or(rule.cost);
  add_line(out, fmt::format("{}, cost {}, tier {}{}:", quoted(rule.name), cost, quoted(tier),
                            counts_for(rule.per)));
  if (rule.shadow) add_line(out, "  a shadow: decides, counts and logs, and never rejects");
  if (limit.empty()) add_line(out, "  unlimited");
  for (const Counter& counter : limit) {
    std::string line = "  " + describe(counter.window);
    if (counter.window.limit == 0) {
      line += ": maintenance, everything is rejected";
    } else if (cost > counter.window.capacity) {
      line += ": this cost can never pass";
    }
    add_line(out, line);
  }
}

}  // namespace

std::string describe(const Window& window) {
  std::string out = fmt::format("{} request{} per ", window.limit, window.limit == 1 ? "" : "s");
  if (window.window_us % 1'000'000 == 0) {
    fmt::format_to(std::back_inserter(out), "{} s", window.window_us / 1'000'000);
  } else {
    fmt::format_to(std::back_inserter(out), "{} ms", window.window_us / 1'000);
  }
  fmt::format_to(std::back_inserter(out), ", {}", to_string(window.algorithm));
  if (window.capacity != window.limit) {
    fmt::format_to(std::back_inserter(out), ", burst {}", window.capacity);
  }
  return out;
}

std::string explain(const Policy& policy, const Identifier& identifier, const Request& request) {
  std::string out;
  if (!policy.config().enabled) {
    return "rate limiting is switched off (enabled = false): the request passes\n";
  }
  out += "client\n";
  for (const std::string& line : identifier.explain(request)) add_line(out, line);
  ClientIdentity client;
  const std::optional<IpAddress> address = identifier.identify(request, client);
  if (!policy.known_tier(client.tier)) client.tier = "anonymous";
  add_line(out, fmt::format("is {}, tier {}", quoted(client.client_id), quoted(client.tier)));
  if (address && policy.exempt_address(*address)) {
    add_line(out, "whose address is exempt: not counted");
    return out;
  }

  out += "path\n";
  PathReadings readings;
  read_path(request.target, readings);
  bool exempt = true;
  std::vector<const Rule*> rules;
  const auto read_as = [&](std::string_view path, std::string_view how) {
    explain_reading(policy, path, request.method, how, out);
    exempt = exempt && policy.exempt(path, request.method);
    const Rule& rule = policy.match(path, request.method);
    if (std::ranges::find(rules, &rule) == rules.end()) rules.push_back(&rule);
  };
  read_as(readings.path, "reads as");
  if (readings.literal) read_as(*readings.literal, "might also be routed as");
  if (readings.by_segment) read_as(*readings.by_segment, "might also be routed as");
  if (exempt) {
    add_line(out, "exempt: not counted, no fields");
    return out;
  }
  if (is_preflight(request)) {
    add_line(out, "a CORS preflight: counted under a rule of its own");
    rules = {&policy.preflight_rule()};
  }

  out += rules.size() == 1 ? "charged to\n" : "charged to all of them, all or nothing\n";
  for (const Rule* rule : rules) explain_rule(*rule, request, client.tier, out);
  if (const Penalties* penalties = policy.penalties(); penalties != nullptr) {
    add_line(out, fmt::format("violation number {} and later ones lock the client out for a while",
                              penalties->threshold));
  }
  return out;
}

}  // namespace tidegate
