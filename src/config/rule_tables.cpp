// Tiers, endpoints and exemptions.
#include <utility>

#include "config/limit.hpp"
#include "config/tables.hpp"

namespace tidegate::config {
namespace {

template <class T>
void append(Fields<T>& fields, Fields<T> more) {
  for (Field<T>& field : more) fields.push_back(std::move(field));
}

/// The table of an endpoint whose keys are the names of tiers.
Field<EndpointConfig> endpoint_tiers_field() {
  return {
      .key = "tiers",
      .docs = docs_below("tiers.<tier>.", limit_fields()),
      .read =
          [](Findings& findings, const std::string& path, const Node& node, EndpointConfig& out) {
            const auto* tiers = node.as<Table>();
            if (tiers == nullptr) {
              return findings.fault(path, refusal(describe(node), "a table of tiers"));
            }
            for (const Entry& entry : *tiers) {
              const std::string tier_path = path + "." + path_key(entry.key);
              findings.place(tier_path, entry.value.place);
              LimitConfig& limit = out.tiers[entry.key];
              if (read_table(findings, tier_path, entry.value, limit_fields(), limit)) {
                finish_limit(findings, tier_path, {}, limit);
              }
            }
          },
      .check = nullptr,
  };
}

/// "GET,POST /a": what a rule is called that has no name of its own.
std::string default_rule_name(const EndpointConfig& endpoint) {
  std::string name;
  for (const std::string& method : endpoint.methods) name += (name.empty() ? "" : ",") + method;
  return name + (name.empty() ? "" : " ") + endpoint.pattern;
}

}  // namespace

const Fields<ExemptionConfig>& exemption_fields() {
  using Type = ExemptionConfig::Type;
  static const Fields<ExemptionConfig> fields{
      required(field(
          "type", &ExemptionConfig::type,
          word<Type>({{"ip", Type::ip}, {"user_id", Type::user_id}, {"endpoint", Type::endpoint}}),
          "what is exempt")),
      required(field("value", &ExemptionConfig::value,
                     text("an address, a range, a user or a pattern, as `type` says",
                          [](const std::string&) { return std::nullopt; }),
                     "which one")),
  };
  return fields;
}

const Fields<TierConfig>& tier_fields() {
  static const Fields<TierConfig> fields = [] {
    Fields<TierConfig> all{required(
        field("name", &TierConfig::name, printable_name(), "what tokens and callers say"))};
    append(all, limit_fields_of(&TierConfig::limit, limit_fields()));
    return all;
  }();
  return fields;
}

const Fields<EndpointConfig>& endpoint_fields() {
  static const Fields<EndpointConfig> fields = [] {
    Fields<EndpointConfig> all{
        with_default(field("name", &EndpointConfig::name, printable_name(),
                           "names the counters, so that they survive a reload"),
                     "the methods, if given, and the pattern"),
        required(
            field("pattern", &EndpointConfig::pattern, endpoint_pattern(),
                  "which paths: * is one segment, a last /* one or more, a last ** any number")),
        with_default(list("methods", &EndpointConfig::methods, method(), Emptiness::refused,
                          "which methods; GET includes HEAD"),
                     "all"),
    };
    append(all, limit_fields_of(&EndpointConfig::limit, limit_fields()));
    append(all,
           {
               field("cost", &EndpointConfig::cost, integer<std::uint64_t>(0, 1'000'000'000),
                     "what one request takes of the limit"),
               field("per", &EndpointConfig::per,
                     word<Per>(
                         {{"client", Per::client}, {"address", Per::address}, {"all", Per::all}}),
                     "whose requests count together"),
               field("priority", &EndpointConfig::priority,
                     integer<std::int64_t>(-1'000'000, 1'000'000),
                     "of two patterns that match, the higher one wins"),
               field("shadow", &EndpointConfig::shadow, boolean(),
                     "decide, count and log, but never reject"),
               endpoint_tiers_field(),
           });
    return all;
  }();
  return fields;
}

void finish_tier(Findings& findings, const std::string& path, TierConfig& tier) {
  finish_limit(findings, path, {}, tier.limit);
}

void finish_endpoint(Findings& findings, const std::string& path, EndpointConfig& endpoint) {
  finish_limit(findings, path, {}, endpoint.limit);
  if (!findings.given(path + ".name")) endpoint.name = default_rule_name(endpoint);
}

}  // namespace tidegate::config
