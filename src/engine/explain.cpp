#include "engine/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/json_text.hpp"
#include "engine/window_words.hpp"
#include "policy/matcher.hpp"

namespace tidegate {
namespace {

constexpr std::size_t kMaxShownBytes = 1024;

/// Text of a request on a terminal, whatever bytes it holds.
std::string shown(std::string_view text) {
  std::string out;
  append_json_text(text, kMaxShownBytes, out);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) (out += out.empty() ? "" : ", ") += word;
  return out;
}

/// Writes titles and what stands below them.
class Page {
 public:
  template <class... Args>
  void title(fmt::format_string<Args...> format, Args&&... args) {
    write("", fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    write("  ", fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void detail(fmt::format_string<Args...> format, Args&&... args) {
    write("    ", fmt::format(format, std::forward<Args>(args)...));
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void write(std::string_view indent, std::string_view words) {
    ((text_ += indent) += words) += '\n';
  }
  std::string text_;
};

/// A request and what is asked about it; the steps of Engine::plan, in their order.
class Explanation {
 public:
  Explanation(const Policy& policy, const Identifier& identifier, const Request& request,
              Micros wall_us)
      : policy_(policy),
        config_(policy.config()),
        identifier_(identifier),
        request_(request),
        wall_us_(wall_us) {}

  std::string all() {
    if (!config_.enabled) {
      page_.title("rate limiting is switched off (enabled = false)");
      page_.line("the request passes, nothing is counted, and there are no fields");
      return page_.take();
    }
    client();
    if (exempt_client()) return exempt();
    tier();
    read_paths();
    if (exempt_path()) return exempt();
    rules();
    for (const bool shadow : {false, true}) {
      for (const Rule* rule : rules_) {
        if (rule->shadow == shadow) charge(*rule);
      }
    }
    penalties();
    fields();
    return page_.take();
  }

 private:
  void client() {
    page_.title("client");
    for (const std::string& line : identifier_.explain(request_, wall_us_)) {
      page_.line("{}", shown(line));
    }
    const Times times{.now_us = wall_us_, .wall_us = wall_us_};
    address_ = identifier_.identify(request_, times, client_).address;
    page_.line("so it is {}", shown(client_.client_id));
  }

  bool exempt_client() {
    page_.title("exemptions");
    std::vector<std::string> ranges;
    for (const ExemptionConfig& exemption : config_.exemptions) {
      if (exemption.type != ExemptionConfig::Type::ip) continue;
      ranges.push_back(exemption.value);
      if (const auto range = Cidr::parse(exemption.value);
          address_ && range && range->contains(*address_)) {
        page_.line("the address is exempt, as it is in {}", exemption.value);
        return true;
      }
    }
    if (policy_.exempt_user(client_)) {
      page_.line("the user is exempt");
      return true;
    }
    if (ranges.empty()) {
      page_.line("no addresses are exempt");
    } else {
      page_.line("the address is in none of those that are exempt: {}", joined(ranges));
    }
    if (client_.client_type == ClientType::user) page_.line("the user is not exempt");
    return false;
  }

  std::string exempt() {
    page_.title("so it is exempt");
    page_.line("it passes, nothing is counted but that it was exempt, and there are no fields");
    page_.line("tier, rules and windows are not asked");
    return page_.take();
  }

  void tier() {
    page_.title("tier");
    const std::string asked = client_.tier;
    if (asked == kAnonymous) {
      page_.line("nobody names one, so it is anonymous");
    } else if (policy_.known_tier(asked)) {
      page_.line("{}, as {} says", shown(asked), request_.tier ? "the caller" : "the token");
    } else {
      page_.line("{} is no tier of this configuration, so it is anonymous", shown(asked));
      client_.tier = kAnonymous;
    }
  }

  void read_paths() {
    page_.title("path");
    add_target(request_.target, "");
    if (request_.other_target) add_target(*request_.other_target, "the other target, ");
    if (paths_.size() > 1) {
      page_.line("whoever routes it may choose any of these, so the rules of all are charged");
    }
  }

  void add_target(std::string_view target, std::string_view which) {
    PathReadings readings;
    read_path(target, readings);
    const auto add = [&](const std::string& path, std::string_view how) {
      page_.line("{}{} {} {}", which, shown(target), how, shown(path));
      paths_.push_back(path);
    };
    if (readings.path.empty()) {
      page_.line("{}{} does not begin with / and is no URL: only the default rule applies", which,
                 shown(target));
      paths_.emplace_back();
    } else if (readings.path == target) {
      page_.line("{}{}, as it stands", which, shown(target));
      paths_.push_back(readings.path);
    } else {
      add(readings.path, "is read as");
    }
    if (readings.literal) add(*readings.literal, "might also be routed as");
    if (readings.by_segment) add(*readings.by_segment, "might also be routed as");
  }

  /// The pattern that makes a path exempt.
  std::optional<std::string> exempting(std::string_view path) const {
    std::vector<std::string> patterns = config_.exempt_endpoints;
    for (const ExemptionConfig& exemption : config_.exemptions) {
      if (exemption.type == ExemptionConfig::Type::endpoint) patterns.push_back(exemption.value);
    }
    const auto found = std::ranges::find_if(patterns, [&](const std::string& pattern) {
      return matches({.pattern = pattern, .methods = {}}, path);
    });
    return found == patterns.end() ? std::nullopt : std::optional(*found);
  }

  bool exempt_path() {
    bool all = true;
    for (const std::string& path : paths_) {
      const auto pattern = exempting(path);
      all = all && pattern;
      if (pattern) page_.line("{} is exempt, as it matches {}", shown(path), *pattern);
    }
    if (all) return true;
    const bool any =
        std::ranges::any_of(paths_, [&](const auto& path) { return exempting(path).has_value(); });
    page_.line("{}", any ? "but not every reading is exempt, so the request is not"
                         : "it matches no exempt endpoint");
    return false;
  }

  bool matches(const EndpointMatcher::Entry& entry, std::string_view path) const {
    return EndpointMatcher({entry}).match(path, request_.method) != EndpointMatcher::kNoRule;
  }

  void rules() {
    page_.title("rules");
    if (is_preflight(request_)) {
      page_.line(
          "a CORS preflight (OPTIONS with Origin and Access-Control-Request-Method) meets the rule "
          "preflight, whatever its path");
      rules_.push_back(&policy_.preflight_rule());
      return;
    }
    for (const std::string& path : paths_) {
      const Rule& winner = policy_.match(path, request_.method);
      if (std::ranges::find(rules_, &winner) == rules_.end()) rules_.push_back(&winner);
      page_.line("{} {} meets the rule {}", shown(request_.method),
                 path.empty() ? shown(request_.target) : shown(path), shown(winner.name));
      candidates(path, winner);
    }
  }

  /// All endpoints whose patterns match, the one that wins first.
  void candidates(std::string_view path, const Rule& winner) {
    const auto entry_of = [](const EndpointConfig& endpoint) {
      return EndpointMatcher::Entry{
          .pattern = endpoint.pattern, .methods = endpoint.methods, .priority = endpoint.priority};
    };
    const auto won = std::ranges::find(config_.endpoints, winner.name, &EndpointConfig::name);
    if (won == config_.endpoints.end()) {
      page_.detail("no endpoint's pattern and methods match, so the default applies");
    } else {
      page_.detail("{}: matches", pattern_of(*won));
    }
    for (const EndpointConfig& endpoint : config_.endpoints) {
      EndpointMatcher::Entry entry = entry_of(endpoint);
      if (endpoint.name == winner.name) continue;
      if (matches(entry, path)) {
        page_.detail("{}: matches too, and loses: {}", pattern_of(endpoint),
                     why(entry_of(*won), entry));
        continue;
      }
      entry.methods.clear();
      if (matches(entry, path)) {
        page_.detail("{}: matches, and is passed over, as it lists no {}", pattern_of(endpoint),
                     shown(request_.method));
      }
    }
  }

  static std::string pattern_of(const EndpointConfig& endpoint) {
    std::string out;
    if (endpoint.name != endpoint.pattern) out = endpoint.name + ", ";
    if (!endpoint.methods.empty()) out += joined(endpoint.methods) + " ";
    return shown(out + endpoint.pattern);
  }

  /// Segment `number` of a pattern, from 1, or that there is none.
  static std::string segment(std::string_view pattern, std::size_t number) {
    std::string_view rest = pattern.substr(1);
    std::string_view found;
    for (std::size_t i = 0; i < number; ++i) found = take_segment(rest);
    return found.empty() ? "nothing" : shown(found);
  }

  static std::string why(const EndpointMatcher::Entry& winner,
                         const EndpointMatcher::Entry& loser) {
    const auto preference = EndpointMatcher::why_before(winner, loser);
    switch (preference.reason) {
      case EndpointMatcher::Preference::Reason::priority:
        return fmt::format("its priority {} is below {}", loser.priority, winner.priority);
      case EndpointMatcher::Preference::Reason::specific:
        return fmt::format("it is less specific, with {} for {} in segment {}",
                           segment(loser.pattern, preference.segment),
                           segment(winner.pattern, preference.segment), preference.segment);
      case EndpointMatcher::Preference::Reason::earlier:
        return "it is as specific, and later in the file";
    }
    return "";
  }

  void charge(const Rule& rule) {
    const std::uint64_t cost = request_.cost.value_or(rule.cost);
    page_.title("charged to {}", shown(rule.name));
    if (rule.shadow) {
      page_.line("a shadow: it decides, counts and logs, and never rejects");
      shadows_ = true;
    }
    page_.line("cost {}{}", cost, request_.cost ? ", as the caller says" : "");
    page_.line("{}", counted_for(rule));
    page_.line("{}", why_this_limit(rule));
    const Limit& limit = Policy::get_applicable_limit(rule, client_.tier);
    if (limit.empty()) page_.detail("unlimited: nothing is counted");
    for (const Counter& counter : limit) {
      page_.detail("{}: {}", describe(counter.window), describe_bound(counter.window));
      if (counter.window.limit != 0 && cost > counter.window.capacity) {
        page_.detail("  this cost can never pass: 429 cost_exceeds_limit, without a Retry-After");
      }
      (rule.shadow ? shadow_windows_ : windows_) += 1;
    }
  }

  std::string counted_for(const Rule& rule) const {
    std::string address;
    switch (rule.per) {
      case Per::client:
        return fmt::format("counted for {}", shown(client_.client_id));
      case Per::address:
        identifier_.append_address(address_, address);
        return fmt::format("counted for {}, whoever the client is (per = \"address\")", address);
      case Per::all:
        return "one count for everybody (per = \"all\")";
    }
    return "";
  }

  std::string why_this_limit(const Rule& rule) const {
    const std::string tier = shown(client_.tier);
    if (rule.tiers.contains(client_.tier)) {
      return &rule == &policy_.default_rule()
                 ? fmt::format("the limit of the tier {}", tier)
                 : fmt::format("the endpoint's limit for the tier {}", tier);
    }
    if (&rule == &policy_.preflight_rule()) return "the default limit, whatever the tier";
    const std::string_view whose =
        &rule == &policy_.default_rule() ? "the default limit" : "the endpoint's limit";
    if (rule.tiers.empty()) return std::string(whose);
    return fmt::format("{}, as it has none for the tier {}", whose, tier);
  }

  void penalties() {
    page_.title("penalties");
    const Penalties* const penalties = policy_.penalties();
    if (penalties == nullptr) {
      page_.line("none are configured");
    } else if (windows_ == 0) {
      page_.line("none, as nothing can be rejected");
    } else {
      page_.line("{} violations within {} lock the client out of all rules for {} x the window",
                 penalties->threshold, seconds_or_millis(penalties->detection / kTicksPerMicro),
                 penalties->multipliers.front());
      page_.line(
          "and each further one for longer, up to {} x; a violation is a rejection, once a "
          "window",
          penalties->multipliers.back());
    }
  }

  void fields() {
    page_.title("answer");
    if (windows_ + shadow_windows_ > 1) {
      page_.line("it passes if all windows have room; if one has not, nothing is taken from any{}",
                 shadows_ ? " (shadows by themselves)" : "");
    }
    if (windows_ == 0) {
      page_.line("it passes, and there are no fields: {}",
                 shadows_ ? "shadows write none" : "it is unlimited");
      return;
    }
    if (config_.x_ratelimit_headers) {
      page_.line("X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset{}",
                 windows_ > 1 ? " of the window with the least left" : "");
    }
    if (config_.ietf_headers) {
      page_.line("RateLimit-Policy and RateLimit{}",
                 windows_ > 1 ? ", with a member for each window" : "");
    }
    if (!config_.x_ratelimit_headers && !config_.ietf_headers) {
      page_.line("no fields, as headers names none");
    }
    page_.line("rejected: 429 with Retry-After and a body that says why");
  }

  static constexpr std::string_view kAnonymous = "anonymous";

  const Policy& policy_;
  const RateLimitConfig& config_;
  const Identifier& identifier_;
  const Request& request_;
  Micros wall_us_;

  Page page_;
  ClientIdentity client_;
  std::optional<IpAddress> address_;
  std::vector<std::string> paths_;
  std::vector<const Rule*> rules_;
  std::size_t windows_ = 0;  // that are enforced
  std::size_t shadow_windows_ = 0;
  bool shadows_ = false;
};

}  // namespace

std::string explain(const Policy& policy, const Identifier& identifier, const Request& request,
                    Micros wall_us) {
  return Explanation(policy, identifier, request, wall_us).all();
}

}  // namespace tidegate
