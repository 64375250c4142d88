// [rate_limiting] itself, and its smallest tables.
#include <algorithm>
#include <array>

#include "config/limit.hpp"
#include "config/tables.hpp"
#include "core/time.hpp"

namespace tidegate::config {
namespace {

using namespace std::chrono_literals;

struct HeadersWord {
  std::string_view word;
  bool RateLimitConfig::* member;
};
constexpr std::array kHeadersWords{
    HeadersWord{"x-ratelimit", &RateLimitConfig::x_ratelimit_headers},
    HeadersWord{"ietf", &RateLimitConfig::ietf_headers}};

/// The key is a list of words, the values are switches.
Field<RateLimitConfig> headers_field() {
  struct Words {
    std::vector<std::string> words{"x-ratelimit"};
  };
  const Kind<bool> known = word<bool>({{"x-ratelimit", true}, {"ietf", true}});
  const auto inner = list("headers", &Words::words,
                          text(known.allowed,
                               [known](const std::string& value) -> std::optional<std::string> {
                                 if (known.read(Node{.place = {}, .value = value})) {
                                   return std::nullopt;
                                 }
                                 return "";
                               }),
                          Emptiness::allowed,
                          "response fields to write; ietf is RateLimit and "
                          "RateLimit-Policy");
  return {
      .key = inner.key,
      .docs = inner.docs,
      .read =
          [read = inner.read](Findings& findings, const std::string& path, const Node& node,
                              RateLimitConfig& out) {
            Words found;
            read(findings, path, node, found);
            for (const auto& [word, member] : kHeadersWords) {
              out.*member = std::ranges::find(found.words, word) != found.words.end();
            }
          },
      .check = nullptr,
  };
}

Kind<std::string> log_target() {
  Kind<std::string> kind = file_path();
  kind.allowed = "\"stderr\", or " + kind.allowed;
  return kind;
}

/// A table with one key that fills a member of the whole configuration.
Field<RateLimitConfig> single_key_table(const std::string& key,
                                        const Field<RateLimitConfig>& inner) {
  return {
      .key = key,
      .docs = docs_below(key + ".", Fields<RateLimitConfig>{inner}),
      .read = [fields = Fields<RateLimitConfig>{inner}](
                  Findings& findings, const std::string& path, const Node& node,
                  RateLimitConfig& out) { read_table(findings, path, node, fields, out); },
      .check = [fields = Fields<RateLimitConfig>{inner}](
                   Findings& findings, const std::string& path,
                   const RateLimitConfig& value) { check_table(findings, path, fields, value); },
  };
}

// A count of violations lies in one word with a time of whole microseconds: threshold and
// multipliers together stay below the ticks of one.
constexpr std::uint32_t kMostViolations = 1'000;
constexpr std::size_t kMostMultipliers = 100;
static_assert(kMostViolations + kMostMultipliers < kTicksPerMicro);

std::string array_of(std::size_t size) {
  return size == 0 ? "an empty array" : fmt::format("an array of {}", size);
}

/// penalty_multipliers: the only list of integers.
Field<ProgressivePenaltiesConfig> multipliers_field() {
  const auto kind = integer<std::uint32_t>(1, 1'000'000);
  const std::string allowed =
      fmt::format("an array of 1 to {} of: {}", kMostMultipliers, kind.allowed);
  constexpr auto kMember = &ProgressivePenaltiesConfig::penalty_multipliers;
  return {
      .key = "penalty_multipliers",
      .docs = {{"penalty_multipliers", "array", "[1, 2, 4, 8]", allowed,
                "how many windows the first, second, ... cooldown lasts"}},
      .read =
          [kind, allowed](Findings& findings, const std::string& path, const Node& node,
                          ProgressivePenaltiesConfig& out) {
            const auto* items = node.as<Array>();
            if (items == nullptr || items->empty() || items->size() > kMostMultipliers) {
              return findings.fault(
                  path,
                  refusal(items == nullptr ? describe(node) : array_of(items->size()), allowed));
            }
            (out.*kMember).clear();
            for (std::size_t i = 0; i < items->size(); ++i) {
              const std::string item = fmt::format("{}[{}]", path, i);
              findings.place(item, (*items)[i].place);
              const auto value = kind.read((*items)[i]);
              if (!value || kind.problem(*value)) {
                findings.fault(item, refusal(describe((*items)[i]), kind.allowed));
              }
              (out.*kMember).push_back(value.value_or(1));
            }
          },
      .check =
          [kind, allowed](Findings& findings, const std::string& path,
                          const ProgressivePenaltiesConfig& value) {
            const std::size_t size = (value.*kMember).size();
            if (size == 0 || size > kMostMultipliers) {
              findings.fault(path, refusal(array_of(size), allowed));
            }
            for (std::size_t i = 0; i < (value.*kMember).size(); ++i) {
              const std::uint32_t multiplier = (value.*kMember)[i];
              if (kind.problem(multiplier)) {
                findings.fault(fmt::format("{}[{}]", path, i),
                               refusal(kind.write(multiplier), kind.allowed));
              }
            }
          },
  };
}

}  // namespace

const Fields<ProgressivePenaltiesConfig>& progressive_penalties_fields() {
  using Config = ProgressivePenaltiesConfig;
  static const Fields<Config> fields{
      field("enabled", &Config::enabled, boolean(),
            "lock out clients who are rejected again and again"),
      field("detection_window", &Config::detection_window, duration(1ms, 366 * 24h),
            "violations are counted for this long"),
      field("violation_threshold", &Config::violation_threshold,
            integer<std::uint32_t>(1, kMostViolations), "violations that start a cooldown"),
      multipliers_field(),
  };
  return fields;
}

const Fields<RateLimitConfig>& root_fields() {
  using Config = RateLimitConfig;
  static const Fields<Config> fields = [] {
    Fields<Config> all{
        field("enabled", &Config::enabled, boolean(), "false lets everything pass"),
        field("namespace", &Config::name_space, file_safe_name(),
              "part of every key: two applications never share a counter by accident"),
    };
    static const Fields<LimitConfig> default_limit =
        make_limit_fields(kDefaultLimitNames, Config{}.default_limit);
    for (auto& field : limit_fields_of(&Config::default_limit, default_limit)) {
      all.push_back(std::move(field));
    }
    Fields<Config> more{
        field("failure_mode", &Config::failure_mode,
              word<FailureMode>({{"fail_open", FailureMode::fail_open},
                                 {"fail_closed", FailureMode::fail_closed},
                                 {"local", FailureMode::local}}),
              "what happens while the backend is away: allow, 503, or count on this host"),
        with_default(field("backend", &Config::backend,
                           word<BackendKind>(
                               {{"memory", BackendKind::memory}, {"redis", BackendKind::redis}}),
                           "where counters live"),
                     "\"redis\" if a Redis URL is given, else \"memory\""),
        field("shadow", &Config::shadow, boolean(), "decide, count and log, but never reject"),
        headers_field(),
        field("retry_after", &Config::retry_after,
              word<RetryAfter>(
                  {{"shortest", RetryAfter::shortest}, {"longest", RetryAfter::longest}}),
              "which wait is named when several windows are exceeded"),
        list("exempt_endpoints", &Config::exempt_endpoints, endpoint_pattern(), Emptiness::allowed,
             "paths that are not counted"),
        field("log", &Config::log, log_target(), "where JSON lines go"),
        field("log_level", &Config::log_level,
              word<LogLevel>({{"debug", LogLevel::debug},
                              {"info", LogLevel::info},
                              {"warning", LogLevel::warning},
                              {"error", LogLevel::error}}),
              "debug shows allowed checks too"),
        table("memory", &Config::memory, memory_fields()),
        table("redis", &Config::redis, redis_fields()),
        table("client_identification", &Config::client_identification,
              client_identification_fields()),
        tables("tiers", &Config::tiers, tier_fields(), finish_tier),
        tables("endpoints", &Config::endpoints, endpoint_fields(), finish_endpoint),
        tables("exemptions", &Config::exemptions, exemption_fields()),
        table("progressive_penalties", &Config::progressive_penalties,
              progressive_penalties_fields()),
        single_key_table("admin", field("token_env", &Config::admin_token_env,
                                        or_empty(environment_variable(), "no admin endpoint"),
                                        "names the variable with the bearer token")),
        single_key_table(
            "metrics", field("top_clients", &Config::top_clients, integer<std::uint32_t>(0, 1'000),
                             "the busiest clients named by rate_limit_current_usage; 0: none")),
    };
    for (auto& field : more) all.push_back(std::move(field));
    return all;
  }();
  return fields;
}

}  // namespace tidegate::config
