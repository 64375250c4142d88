#include "observe/prometheus.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <string_view>
#include <utility>

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
    out_ += name_;
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

  std::string take() { return std::move(out_); }

 private:
  /// The text must be UTF-8, and what comes from a header may be anything: what is not printable
  /// ASCII is written as '?'.
  void append_escaped(std::string_view text) {
    for (const char c : text) {
      if (c == '\\' || c == '"') out_ += '\\';
      out_ += c >= ' ' && c <= '~' ? c : '?';
    }
  }

  std::string out_;
  std::string_view name_;
};

}  // namespace

std::string prometheus_text(const Metrics& metrics) {
  Writer writer;
  writer.family("rate_limit_requests_total", "counter", "Decisions by rule, tier and status.");
  for (const Counters::Row& row : metrics.rows) {
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
  for (const Counters::Row& row : metrics.rows) {
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
  for (const Usage& usage : metrics.usage) {
    writer.sample({{"endpoint", usage.endpoint}, {"tier", usage.tier}, {"client_id", usage.client}},
                  usage.used);
  }
  writer.family("rate_limit_identity_warnings_total", "counter",
                "Doubts about who the clients are, by reason.");
  for (const Counters::Warning& warning : metrics.warnings) {
    writer.sample({{"reason", warning.reason}}, warning.count);
  }
  writer.single("rate_limit_store_entries", "gauge",
                "Entries in use: one for each client, rule and window.", metrics.entries);
  writer.single("rate_limit_store_capacity", "gauge", "Entries meant to be in use at once.",
                metrics.capacity);
  writer.single("rate_limit_store_evictions_total", "counter",
                "Expired entries taken over by other clients.", metrics.evictions);
  writer.single("rate_limit_store_overflow_total", "counter",
                "Charges to an entry that clients without one share.", metrics.overflow);
  writer.single("rate_limit_store_conflicts_total", "counter",
                "Races of one client that may have left a cost charged.", metrics.conflicts);
  writer.single("rate_limit_store_repairs_total", "counter",
                "Damage in the shared table that was found and put right.", metrics.repairs);
  writer.single("rate_limit_breaker_state", "gauge",
                "Circuit breaker of the backend: 0 closed, 1 half-open, 2 open.",
                metrics.breaker_state);
  writer.single("rate_limit_config_generation", "gauge", "Number of the configuration in force.",
                metrics.config_generation);
  return writer.take();
}

}  // namespace tidegate
