#include "config/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/checks.hpp"
#include "config/keys.hpp"
#include "config/kind.hpp"
#include "config/suggest.hpp"

namespace tidegate::config {
namespace {

constexpr std::string_view kPrefix = "RATE_LIMIT_";
constexpr std::string_view kDefaultVariable = "RATE_LIMIT_DEFAULT";
constexpr std::string_view kConfigVariable = "RATE_LIMIT_CONFIG";  // read by load_config
constexpr std::string_view kRedisVariable = "REDIS_URL";

using KeyPath = std::vector<std::string>;

/// Every variable that names a key or a table, and the key's path. Keys within arrays have none.
const std::map<std::string, KeyPath, std::less<>>& variables() {
  static const auto all = [] {
    std::map<std::string, KeyPath, std::less<>> names;
    for (const KeyDoc& doc : known_keys()) {
      const std::string path = doc.path.substr(0, doc.path.find('['));
      KeyPath keys;
      for (std::size_t at = 0; at != std::string::npos;) {
        const std::size_t dot = path.find('.', at);
        keys.push_back(path.substr(at, dot - at));
        names.emplace(environment_name(path.substr(0, dot)), keys);
        at = dot == std::string::npos ? dot : dot + 1;
      }
    }
    return names;
  }();
  return all;
}

/// The value at `path`, with the tables it needs; null where the file has something else on the
/// way, which is a fault of its own.
Node* make_node(Table& root, const KeyPath& path, Place place) {
  Table* table = &root;
  for (std::size_t i = 0;; ++i) {
    Node* node = find(*table, path[i]);
    const bool last = i + 1 == path.size();
    if (node == nullptr) {
      table->push_back({path[i], place, Node{.place = place, .value = Table{}}});
      node = &table->back().value;
    }
    if (last) return node;
    table = std::get_if<Table>(&node->value);
    if (table == nullptr) return nullptr;
  }
}

std::string joined(const KeyPath& path) {
  std::string out{kRoot};
  for (const std::string& key : path) out += "." + key;
  return out;
}

void set(Table& root, const KeyPath& path, Node value) {
  if (Node* node = make_node(root, path, value.place)) *node = std::move(value);
}

/// RATE_LIMIT_DEFAULT: a limit, perhaps with the unit of time it is for.
void overlay_default(Findings& findings, Place place, const std::string& text, Table& root) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
      {{"second", 1}, {"minute", 60}, {"hour", 3'600}, {"day", 86'400}}};
  const std::size_t slash = text.find('/');
  const std::string count = text.substr(0, slash);
  const auto* unit = kUnits.begin();
  if (slash != std::string::npos) {
    unit = std::ranges::find(kUnits, std::string_view(text).substr(slash + 1),
                             &std::pair<std::string_view, std::int64_t>::first);
  }
  std::int64_t limit = 0;
  const char* end = count.data() + count.size();
  const auto [stop, error] = std::from_chars(count.data(), end, limit);
  const bool unlimited = count == "unlimited";
  const bool number = !count.empty() && error == std::errc{} && stop == end;
  if ((!number && !unlimited) || unit == kUnits.end()) {
    findings.fault_at(
        place, joined({"default_limit"}),
        refusal(describe(Node{.place = place, .value = text}),
                "a limit as \"100\", or with a unit as \"100/minute\" (second, minute, "
                "hour, day)"));
    return;
  }
  Node limit_node{.place = place, .value = limit};
  if (unlimited) limit_node.value = count;
  set(root, {"default_limit"}, std::move(limit_node));
  if (slash != std::string::npos) {
    set(root, {"default_window"}, Node{.place = place, .value = unit->second});
  }
}

std::expected<Node, std::string> read_variable(Place place, const std::string& text) {
  auto value = parse_value(text, place.file);
  if (value ||
      (!text.empty() && std::string_view("[{\"'").find(text[0]) != std::string_view::npos)) {
    return value;
  }
  return Node{.place = place, .value = text};
}

}  // namespace

void overlay_environment(Findings& findings, const Environment& environment, Table& root) {
  if (const auto at = environment.find(kDefaultVariable); at != environment.end()) {
    overlay_default(findings, Place{at->first, 0, 0}, at->second, root);
  }

  // The long name, which is laid over it, wins.
  if (const auto at = environment.find(kRedisVariable);
      at != environment.end() && !at->second.empty()) {
    set(root, {"redis", "url"}, Node{.place = Place{at->first, 0, 0}, .value = at->second});
  }

  struct Assignment {
    Place place;
    const KeyPath* path;
    const std::string* text;
  };
  std::vector<Assignment> assignments;
  for (const auto& [name, text] : environment) {
    if (const auto known = variables().find(name); known != variables().end()) {
      assignments.push_back({Place{name, 0, 0}, &known->second, &text});
    }
  }
  // A table first, then what is set within it.
  std::ranges::stable_sort(assignments, {}, [](const Assignment& a) { return a.path->size(); });
  for (const auto& [place, path, text] : assignments) {
    auto value = read_variable(place, *text);
    if (value) {
      set(root, *path, std::move(*value));
    } else {
      findings.fault_at(
          place, joined(*path),
          refusal(describe(Node{.place = place, .value = *text}), "a TOML value", value.error()));
    }
  }
}

std::vector<std::string> environment_warnings(const Environment& environment,
                                              const RateLimitConfig& config) {
  // Variables that the configuration names hold secrets.
  std::set<std::string_view> named{kDefaultVariable, kConfigVariable, config.admin_token_env,
                                   config.redis.hash_key_env, config.redis.sentinel.password_env};
  if (config.client_identification.jwt) named.insert(config.client_identification.jwt->secret_env);

  std::vector<std::string> names;
  for (const auto& [name, path] : variables()) names.push_back(name);

  std::vector<std::string> warnings;
  for (auto at = environment.lower_bound(kPrefix);
       at != environment.end() && at->first.starts_with(kPrefix); ++at) {
    if (named.contains(at->first) || variables().contains(at->first)) continue;
    warnings.push_back(fmt::format("{}: no such key, so the variable is ignored; the nearest is {}",
                                   at->first, nearest(at->first, names)));
  }
  return warnings;
}

}  // namespace tidegate::config
