#include "observe/prometheus.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_text.hpp"

namespace tidegate {
namespace {

using Label = std::pair<std::string_view, std::string_view>;

class Writer {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
  }

  void sample(std::initializer_list<Label> labels, std::uint64_t value) {
    sample("", labels, value);
  }

  /// `suffix` behind the family's name; a value of any type.
  template <class Value>
  void sample(std::string_view suffix, std::initializer_list<Label> labels, Value value) {
    out_ += name_;
    out_ += suffix;
    char before = '{';
    for (const auto& [label, text] : labels) {
      out_ += before;
      before = ',';
      out_ += label;
      out_ += "=\"";
      append_escaped(text);
      out_ += '"';
    }
    if (labels.size() != 0) out_ += '}';
    fmt::format_to(std::back_inserter(out_), " {}\n", value);
  }

  void single(std::string_view name, std::string_view type, std::string_view help,
              std::uint64_t value) {
    family(name, type, help);
    sample({}, value);
  }

  void counts(std::string_view name, std::string_view help, std::string_view label,
              const std::vector<Status::Count>& values) {
    family(name, "counter", help);
    for (const Status::Count& value : values) sample({{label, value.name}}, value.count);
  }

  /// Seconds, of whole microseconds.
  void histogram(const Status::Latency& latency) {
    const std::string_view operation = latency.operation;
    for (const Status::Latency::Bucket& bucket : latency.buckets) {
      const std::string bound = seconds(bucket.at_most_us);
      sample("_bucket", {{"operation", operation}, {"le", bound}}, bucket.count);
    }
    sample("_bucket", {{"operation", operation}, {"le", "+Inf"}}, latency.count);
    sample("_sum", {{"operation", operation}}, seconds(latency.sum_us));
    sample("_count", {{"operation", operation}}, latency.count);
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string seconds(std::uint64_t us) {
    return fmt::format("{}", static_cast<double>(us) / 1e6);
  }

  /// The text must be UTF-8, and what comes from a header may be anything: control characters and
  /// bytes that are no UTF-8 are written as \\xNN.
  void append_escaped(std::string_view text) {
    while (!text.empty()) {
      const std::size_t length = utf8_length(text);
      const auto first = static_cast<unsigned char>(text.front());
      if (length == 0 || first < ' ' || first == 0x7f) {
        fmt::format_to(std::back_inserter(out_), R"(\\x{:02x})", first);
        text.remove_prefix(1);
        continue;
      }
      if (first == '\\' || first == '"') out_ += '\\';
      out_ += text.substr(0, length);
      text.remove_prefix(length);
    }
  }

  std::string out_;
  std::string_view name_;
};

std::uint64_t breaker_number(std::string_view breaker) {
  return breaker == "open" ? 2 : breaker == "half-open" ? 1 : 0;
}

}  // namespace

std::string prometheus_text(const Status& status) {
  Writer writer;
  writer.family("rate_limit_requests_total", "counter", "Decisions by rule, tier and status.");
  for (const Status::Totals& row : status.totals) {
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      if (row.requests[i] == 0) continue;
      writer.sample({{"endpoint", row.endpoint},
                     {"tier", row.tier},
                     {"status", to_string(static_cast<Outcome>(i))}},
                    row.requests[i]);
    }
  }
  writer.family("rate_limit_exceeded_total", "counter",
                "Requests answered 429, by the kind of client.");
  for (const Status::Totals& row : status.totals) {
    for (std::size_t i = 0; i < kClientTypes; ++i) {
      if (row.exceeded[i] == 0) continue;
      writer.sample({{"endpoint", row.endpoint},
                     {"tier", row.tier},
                     {"client_type", to_string(static_cast<ClientType>(i))}},
                    row.exceeded[i]);
    }
  }
  writer.family("rate_limit_current_usage", "gauge",
                "Units the busiest clients have used of their tightest window.");
  for (const Status::Usage& usage : status.busiest) {
    writer.sample({{"endpoint", usage.endpoint}, {"tier", usage.tier}, {"client_id", usage.client}},
                  usage.used);
  }
  writer.counts("rate_limit_tokens_total", "Tokens that requests carried, by verdict.", "verdict",
                status.tokens);
  writer.counts("rate_limit_identity_warnings_total",
                "Doubts about who the clients are, by reason.", "reason", status.identity_warnings);
  writer.single("rate_limit_store_entries", "gauge",
                "Entries in use: one for each client, rule and window. May be some seconds old.",
                status.store.entries);
  writer.single("rate_limit_store_capacity", "gauge", "Entries meant to be in use at once.",
                status.store.capacity);
  writer.single("rate_limit_store_evictions_total", "counter",
                "Expired entries taken over by other clients.", status.store.evictions);
  writer.single("rate_limit_store_overflow_total", "counter",
                "Charges to an entry that clients without one share.", status.store.overflow);
  writer.single("rate_limit_store_conflicts_total", "counter",
                "Races of one client that may have left a cost charged.", status.store.conflicts);
  writer.single("rate_limit_store_repairs_total", "counter",
                "Damage in the shared table that was found and put right.", status.store.repairs);
  writer.family("rate_limit_redis_latency_seconds", "histogram",
                "Time from a command to its reply, by operation.");
  for (const Status::Latency& latency : status.redis_latencies) writer.histogram(latency);
  writer.family("rate_limit_redis_errors_total", "counter",
                "Failed commands, by operation and type of error.");
  for (const Status::RedisErrors& errors : status.redis_errors) {
    writer.sample({{"operation", errors.operation}, {"error_type", errors.type}}, errors.count);
  }
  writer.single("rate_limit_breaker_state", "gauge",
                "Circuit breaker of the backend: 0 closed, 1 half-open, 2 open.",
                breaker_number(status.breaker));
  writer.single("rate_limit_config_generation", "gauge", "Number of the configuration in force.",
                status.reloads.generation);
  writer.family("rate_limit_reloads_total", "counter", "Reloads of the configuration, by result.");
  writer.sample({{"result", "ok"}}, status.reloads.succeeded);
  writer.sample({{"result", "failed"}}, status.reloads.failed);
  writer.single("rate_limit_admin_denied_total", "counter",
                "Admin requests without the right token.", status.admin_denied);
  writer.single("rate_limit_log_lines_lost_total", "counter",
                "Log lines that could not be written.", status.log_lines_lost);
  return writer.take();
}

}  // namespace tidegate
