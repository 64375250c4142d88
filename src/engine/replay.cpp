#include "engine/replay.hpp"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <new>
#include <utility>
#include <vector>

#include <boost/json/src.hpp>

#include "engine/header_list.hpp"
#include "engine/json_text.hpp"

namespace tidegate {
namespace {

namespace json = boost::json;

/// A request as written down: owns what a Request only views.
struct Recorded {
  std::optional<Micros> t_us;
  std::optional<IpAddress> peer;
  std::string method;
  std::string target;
  HeaderList headers;
  std::optional<std::uint64_t> cost;
};

/// Reads one line, and stops at the first thing that is wrong.
class LineReader {
 public:
  /// What is wrong with the line, or "". What was read up to there is in `out`.
  std::string read(std::string_view line, Recorded& out) {
    boost::system::error_code failed;
    json::parse_options options;
    options.max_depth = 8;
    const json::value value = json::parse(line, failed, {}, options);
    if (failed) return "not JSON: " + failed.message();
    const json::object* object = value.if_object();
    if (object == nullptr) return "not a JSON object";

    const json::value* t_us = object->if_contains("t_us");
    if (t_us == nullptr) return "t_us is missing";
    out.t_us = unsigned_of(*t_us);
    if (!out.t_us) return "t_us: microseconds since the Unix epoch are allowed, 0 to 2^64 - 1";
    if (!text(*object, "method", out.method)) return error_;
    if (!text(*object, "target", out.target)) return error_;
    if (object->contains("peer") && !object->at("peer").is_null()) {
      std::string peer;
      if (!text(*object, "peer", peer)) return error_;
      out.peer = IpAddress::parse(peer);  // nothing: a unix socket or a test client
    }
    if (const json::value* cost = object->if_contains("cost");
        cost != nullptr && !cost->is_null()) {
      out.cost = unsigned_of(*cost);
      if (!out.cost) return "cost: an integer from 0 on is allowed";
    }
    if (const json::value* headers = object->if_contains("headers")) {
      if (!read_headers(*headers, out.headers)) return error_;
    }
    return {};
  }

 private:
  static std::optional<std::uint64_t> unsigned_of(const json::value& value) {
    if (const std::uint64_t* number = value.if_uint64()) return *number;
    if (const std::int64_t* number = value.if_int64(); number != nullptr && *number >= 0) {
      return static_cast<std::uint64_t>(*number);
    }
    return std::nullopt;
  }

  bool text(const json::value& value, std::string_view name, std::string& out) {
    const json::string* utf8 = value.if_string();
    if (utf8 == nullptr) {
      error_ = fmt::format("{}: a string is allowed", name);
      return false;
    }
    std::optional<std::string> bytes = bytes_of_json_text({utf8->data(), utf8->size()});
    if (!bytes) {
      error_ = fmt::format("{}: characters up to U+00FF are allowed, one a byte", name);
      return false;
    }
    out = std::move(*bytes);
    return true;
  }

  bool text(const json::object& object, std::string_view name, std::string& out) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr) {
      error_ = fmt::format("{} is missing", name);
      return false;
    }
    return text(*value, name, out);
  }

  bool read_headers(const json::value& value, HeaderList& out) {
    const json::object* headers = value.if_object();
    if (headers == nullptr) {
      error_ = "headers: an object of strings or arrays of strings is allowed";
      return false;
    }
    for (const json::key_value_pair& header : *headers) {
      const std::string name{header.key()};
      std::string line;
      if (const json::array* lines = header.value().if_array()) {
        for (const json::value& each : *lines) {
          if (!text(each, "headers." + name, line)) return false;
          out.add(name, line);
        }
      } else {
        if (!text(header.value(), "headers." + name, line)) return false;
        out.add(name, line);
      }
    }
    return true;
  }

  std::string error_;
};

void append_optional(const char* name, std::optional<std::uint64_t> value, std::string& out) {
  if (value) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name, *value);
  } else {
    fmt::format_to(std::back_inserter(out), ",\"{}\":null", name);
  }
}

void append_window(const WindowState& window, std::string& out) {
  out += "{\"rule\":";
  append_json_bytes(window.rule, out);
  fmt::format_to(std::back_inserter(out),
                 ",\"limit\":{},\"window_us\":{},\"remaining\":{},\"reset_us\":{}", window.limit,
                 window.window_us, window.remaining, window.reset_us);
  append_optional("retry_after_us", window.retry_after_us, out);
  out += '}';
}

void append_decision(Micros t_us, const Decision& decision, std::string& out) {
  const WindowState* const fields = decision.fields();
  fmt::format_to(std::back_inserter(out), "{{\"t_us\":{},\"status\":{},\"error\":", t_us,
                 decision.status());
  if (decision.denial == Denial::none) {
    out += "null";
  } else {
    append_json_bytes(to_string(decision.denial), out);
  }
  out += ",\"client\":";
  append_json_bytes(decision.client.client_id, out);
  out += ",\"tier\":";
  append_json_bytes(decision.client.tier, out);
  out += ",\"endpoint\":";
  append_json_bytes(decision.endpoint, out);
  const auto field = [&](std::uint64_t WindowState::* member) {
    return fields == nullptr ? std::nullopt : std::optional(fields->*member);
  };
  append_optional("limit", field(&WindowState::limit), out);
  append_optional("remaining", field(&WindowState::remaining), out);
  append_optional("reset_us", field(&WindowState::reset_us), out);
  append_optional("retry_after_us", decision.retry_after_us, out);
  if (decision.outcome == Outcome::exempt) out += ",\"exempt\":true";
  if (decision.outcome == Outcome::shadow) out += ",\"shadow\":true";
  if (decision.windows.size() > 1) {
    out += ",\"windows\":[";
    for (const WindowState& window : decision.windows) {
      if (&window != decision.windows.data()) out += ',';
      append_window(window, out);
    }
    out += ']';
  }
  out += "}\n";
}

void append_bad_request(std::optional<Micros> t_us, std::string_view message, std::string& out) {
  out += "{\"t_us\":";
  out += t_us ? std::to_string(*t_us) : "null";
  out += ",\"status\":400,\"error\":\"bad_request\",\"message\":";
  append_json_bytes(message, out);
  out += "}\n";
}

constexpr std::size_t kPage = 4096;

/// Zeroed memory for a table that nobody shares.
struct Memory {
  explicit Memory(std::size_t size)
      : bytes(static_cast<std::byte*>(::operator new(size, std::align_val_t{kPage})), size) {
    std::memset(bytes.data(), 0, bytes.size());
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete(bytes.data(), std::align_val_t{kPage}); }

  std::span<std::byte> bytes;
};

/// Nobody can aim at a table that only this run has, and the same lines must give the same answers.
constexpr HashKey kReplayKey{0x7469646567617465, 0x7265706c61790000};

}  // namespace

struct Replay::State {
  explicit State(std::size_t bytes) : memory(bytes) {}

  Memory memory;
  std::unique_ptr<MemoryStore> store;
  std::unique_ptr<Engine> engine;
  Decision decision;
  Ask ask;  ///< nothing: the memory store is asked
  std::string error;
};

Replay::Replay(std::unique_ptr<State> state) : state_(std::move(state)) {}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

std::expected<Replay, Error> Replay::create(const LoadedConfig& loaded) {
  return create(loaded, nullptr);
}

std::expected<Replay, Error> Replay::create(const LoadedConfig& loaded, Ask ask) {
  const RateLimitConfig& config = loaded.config;
  auto policy = Policy::compile(config, kReplayKey);
  if (!policy) return std::unexpected(policy.error());
  auto tokens = TokenVerifier::create(loaded, kReplayKey);
  if (!tokens) return std::unexpected(tokens.error());

  const StoreGeometry geometry{config.memory.capacity, config.memory.log_slots};
  auto state = std::make_unique<State>(MemoryStore::bytes_needed(geometry));
  MemoryStore::format(state->memory.bytes, geometry);
  auto store = MemoryStore::attach(state->memory.bytes, geometry, kAnyTime);
  if (!store) return std::unexpected(store.error());
  state->store = std::move(*store);
  if (auto bound = state->store->bind((*policy)->counters_to_bind(), 0, true); !bound) {
    return std::unexpected(bound.error());
  }
  state->engine = std::make_unique<Engine>(std::shared_ptr<const Policy>(std::move(*policy)),
                                           *state->store, std::move(*tokens));
  state->ask = std::move(ask);
  return Replay(std::move(state));
}

void Replay::line(std::string_view line, std::string& out) {
  Recorded recorded;
  if (const std::string wrong = LineReader().read(line, recorded); !wrong.empty()) {
    append_bad_request(recorded.t_us, wrong, out);
    return;
  }
  const Request request{.peer = recorded.peer,
                        .method = recorded.method,
                        .target = recorded.target,
                        .headers = &recorded.headers,
                        .cost = recorded.cost};
  append_decision(*recorded.t_us, decide(request, *recorded.t_us), out);
}

const Decision& Replay::decide(const Request& request, Micros t_us) {
  const Engine& engine = *state_->engine;
  Decision& decision = state_->decision;
  if (!state_->ask) {
    engine.decide(request, t_us, decision);
    return decision;
  }
  Plan plan;
  engine.plan(request, {.now_us = t_us, .wall_us = t_us}, decision, plan);
  if (!plan.limited) return decision;
  Plan::List<Verdict> verdicts(plan.charges.size());
  Cooldown cooldown;
  if (!plan.charges.empty()) {
    const auto asked = state_->ask(plan.check(engine.policy()), t_us, verdicts);
    if (asked) {
      cooldown = *asked;
    } else {
      state_->error = asked.error().message;
    }
  }
  engine.conclude(plan, verdicts, cooldown, decision);
  return decision;
}

const std::string& Replay::error() const { return state_->error; }

const Policy& Replay::policy() const { return state_->engine->policy(); }

StoreStats Replay::stats(Micros t_us) const {
  return state_->store->stats(ticks_from_micros(t_us));
}

}  // namespace tidegate
