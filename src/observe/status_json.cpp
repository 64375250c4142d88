#include "observe/status_json.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "core/json_text.hpp"

namespace tidegate {
namespace {

/// A client's text and a name are far shorter; a fault of a reload may be as long.
constexpr std::size_t kMaxTextBytes = 2048;

/// Writes members and elements, and the commas between them.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  void open(std::string_view name, char bracket) {
    key(name);
    open(bracket);
  }
  void text(std::string_view value) {
    separate();
    out_ += '"';
    append_json_text(value, kMaxTextBytes, out_);
    out_ += '"';
  }
  void member(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void member(std::string_view name, std::uint64_t value) {
    key(name);
    separate();
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void null_member(std::string_view name) {
    key(name);
    separate();
    out_ += "null";
  }

 private:
  void key(std::string_view name) {
    text(name);
    out_ += ':';
    first_ = true;
  }
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }

  std::string& out_;
  bool first_ = true;
};

void write_reloads(const Status::Reloads& reloads, Writer& writer) {
  writer.open("reload", '{');
  writer.member("generation", reloads.generation);
  writer.member("ok", reloads.succeeded);
  writer.member("failed", reloads.failed);
  if (reloads.last_error.empty()) {
    writer.null_member("last_error");
    writer.null_member("last_error_us");
  } else {
    writer.member("last_error", reloads.last_error);
    writer.member("last_error_us", reloads.last_error_us);
  }
  writer.close('}');
}

void write_store(const Status::Store& store, Writer& writer) {
  writer.open("store", '{');
  writer.member("entries", store.entries);
  writer.member("capacity", store.capacity);
  writer.member("evictions", store.evictions);
  writer.member("overflow", store.overflow);
  writer.member("conflicts", store.conflicts);
  writer.member("repairs", store.repairs);
  writer.close('}');
}

void write_totals(const Status::Totals& totals, Writer& writer) {
  writer.open('{');
  writer.member("endpoint", totals.endpoint);
  writer.member("tier", totals.tier);
  writer.open("requests", '{');
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    writer.member(to_string(static_cast<Outcome>(i)), totals.requests[i]);
  }
  writer.close('}');
  writer.open("exceeded", '{');
  for (std::size_t i = 0; i < kClientTypes; ++i) {
    writer.member(to_string(static_cast<ClientType>(i)), totals.exceeded[i]);
  }
  writer.close('}');
  writer.close('}');
}

void write_usage(const Status::Usage& usage, Writer& writer) {
  writer.open('{');
  writer.member("endpoint", usage.endpoint);
  writer.member("tier", usage.tier);
  writer.member("client", usage.client);
  writer.member("used", usage.used);
  writer.member("limit", usage.limit);
  writer.close('}');
}

void write_redis(const Status& status, Writer& writer) {
  writer.open("redis", '{');
  writer.open("latency", '{');
  for (const Status::Latency& latency : status.redis_latencies) {
    writer.open(latency.operation, '{');
    writer.member("count", latency.count);
    writer.member("sum_us", latency.sum_us);
    writer.close('}');
  }
  writer.close('}');
  writer.open("errors", '[');
  for (const Status::RedisErrors& errors : status.redis_errors) {
    writer.open('{');
    writer.member("operation", errors.operation);
    writer.member("type", errors.type);
    writer.member("count", errors.count);
    writer.close('}');
  }
  writer.close(']');
  writer.close('}');
}

void write_counts(std::string_view name, const std::vector<Status::Count>& counts, Writer& writer) {
  writer.open(name, '{');
  for (const Status::Count& count : counts) writer.member(count.name, count.count);
  writer.close('}');
}

}  // namespace

void append_status_json(const Status& status, std::string& out) {
  Writer writer(out);
  writer.open('{');
  writer.member("version", status.version);
  writer.member("time_us", status.time_us);
  writer.member("started_us", status.started_us);
  writer.member("health", status.health);
  writer.member("backend", status.backend);
  writer.member("breaker", status.breaker);
  writer.member("failure_mode", status.failure_mode);
  write_reloads(status.reloads, writer);
  write_store(status.store, writer);
  write_redis(status, writer);
  writer.open("totals", '[');
  for (const Status::Totals& totals : status.totals) write_totals(totals, writer);
  writer.close(']');
  writer.open("busiest", '[');
  for (const Status::Usage& usage : status.busiest) write_usage(usage, writer);
  writer.close(']');
  write_counts("tokens", status.tokens, writer);
  write_counts("identity_warnings", status.identity_warnings, writer);
  writer.member("admin_denied", status.admin_denied);
  writer.member("log_lines_lost", status.log_lines_lost);
  writer.open("warnings", '[');
  for (const std::string& warning : status.warnings) writer.text(warning);
  writer.close(']');
  writer.close('}');
}

}  // namespace tidegate
