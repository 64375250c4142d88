#include "adapters/posix/generation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "adapters/posix/load_text.hpp"
#include "adapters/posix/random.hpp"
#include "adapters/posix/redis_operator.hpp"
#include "adapters/posix/redis_session.hpp"

namespace tidegate::posix {
namespace {

std::string text_of(const LoadedConfig& loaded) {
  return loaded.text ? *loaded.text : to_toml(loaded.config);
}

Fault fault_of(const LoadedConfig& loaded, std::string_view key, std::string message) {
  return {loaded.file, 0, 0, std::string(key), std::move(message)};
}

/// An endpoint that is configured comes before a rule of the program of the same name.
RateLimitConfig with_rules(RateLimitConfig config, const ProgramRules& rules) {
  const std::size_t configured = config.endpoints.size();
  for (const EndpointConfig& rule : rules) {
    const std::span known(config.endpoints.data(), configured);
    if (std::ranges::find(known, rule.name, &EndpointConfig::name) == known.end()) {
      config.endpoints.push_back(rule);
    }
  }
  return config;
}

/// Compiles and binds. Within a turn.
std::expected<std::shared_ptr<Generation>, Error> make(const Segment& segment, LoadedConfig loaded,
                                                       const ProgramRules& rules, bool alone) {
  const bool shared_by_hosts = loaded.config.backend == BackendKind::redis;
  auto policy = Policy::compile(with_rules(loaded.config, rules),
                                shared_by_hosts ? redis_hash_key(loaded) : segment.hash_key());
  if (!policy) return std::unexpected(policy.error());
  const StoreGeometry geometry{loaded.config.memory.capacity, loaded.config.memory.log_slots};
  auto store = MemoryStore::attach(segment.store_memory(), geometry);
  if (!store) return std::unexpected(store.error());
  const Ticks now = ticks_from_micros(segment.now_us());
  if (auto bound = (*store)->bind((*policy)->counters_to_bind(), now, alone); !bound) {
    return std::unexpected(bound.error());
  }
  if (shared_by_hosts) {
    if (auto options = client_options(loaded, 1); !options) {
      return std::unexpected(options.error());
    }
  }
  auto tokens = TokenVerifier::create(loaded, random_key());
  if (!tokens) return std::unexpected(tokens.error());
  auto generation = std::make_shared<Generation>();
  generation->loaded = std::move(loaded);
  generation->engine = std::make_unique<Engine>(std::move(*policy), **store, std::move(*tokens));
  generation->store = std::move(*store);
  return generation;
}

/// What only a restart can change.
Faults what_must_stay(const RateLimitConfig& old, const LoadedConfig& loaded) {
  Faults faults;
  const auto compare = [&](std::string_view key, const auto& before, const auto& now,
                           std::string_view help) {
    if (before == now) return;
    faults.push_back(fault_of(loaded, fmt::format("rate_limiting.{}", key),
                              fmt::format("found {}, allowed: {}, which is in force: a reload "
                                          "cannot change it; {}",
                                          now, before, help)));
  };
  constexpr std::string_view kRestart = "restart the programs";
  constexpr std::string_view kRemove =
      "stop all programs that use the segment, remove it (tidegate segment remove), start again";
  const auto quoted = [](const std::string& text) { return fmt::format("\"{}\"", text); };
  const auto octal = [](std::uint32_t mode) { return fmt::format("\"{:04o}\"", mode); };
  const RateLimitConfig& config = loaded.config;
  compare("namespace", quoted(old.name_space), quoted(config.name_space), kRestart);
  compare("backend", quoted(std::string(to_string(old.backend))),
          quoted(std::string(to_string(config.backend))), kRestart);
  compare("memory.capacity", old.memory.capacity, config.memory.capacity, kRemove);
  compare("memory.segment", quoted(old.memory.segment), quoted(config.memory.segment), kRestart);
  compare("memory.mode", octal(old.memory.mode), octal(config.memory.mode), kRemove);
  compare("memory.group", quoted(old.memory.group), quoted(config.memory.group), kRemove);
  compare("memory.log_slots", old.memory.log_slots, config.memory.log_slots, kRemove);
  return faults;
}

Fault too_long(const LoadedConfig& loaded) {
  return fault_of(loaded, "rate_limiting", "the table is above 2 MiB as the segment keeps it");
}

std::expected<std::shared_ptr<Generation>, Faults> try_to_put_in_force(const Segment& segment,
                                                                       const LoadedConfig& loaded,
                                                                       const ProgramRules& rules) {
  const std::string text = text_of(loaded);
  if (text.size() > kMaxConfigBytes) return std::unexpected(Faults{too_long(loaded)});
  auto made = make(segment, loaded, rules, false);
  if (!made) return std::unexpected(Faults{fault_of(loaded, "", made.error().message)});
  (*made)->number = segment.config().write(text, source_of(loaded));
  return std::move(*made);
}

std::expected<std::shared_ptr<Generation>, Faults> take_up_within_turn(const Segment& segment,
                                                                       const ProgramRules& rules) {
  const auto text = segment.config().read();
  if (!text) {
    return std::unexpected(Faults{
        {"", 0, 0, "", "the configuration in force cannot be read from the segment: reload it"}});
  }
  auto loaded = load_text(text->text, text->source);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  auto made = make(segment, std::move(*loaded), rules, false);
  if (!made) return std::unexpected(Faults{{text->source, 0, 0, "", made.error().message}});
  (*made)->number = text->generation;
  return std::move(*made);
}

}  // namespace

std::string source_of(const LoadedConfig& loaded) {
  if (!loaded.file.empty()) return loaded.file;
  return loaded.text ? "the defaults" : "a program";
}

std::expected<Opened, Error> open_and_put_in_force(const LoadedConfig& loaded) {
  auto segment = Segment::open(loaded.config);
  if (!segment) return std::unexpected(segment.error());
  const std::string text = text_of(loaded);
  if (text.size() > kMaxConfigBytes) return std::unexpected(Error{to_string(too_long(loaded))});

  const auto turn = segment->enter();
  if (!turn) return std::unexpected(turn.error());
  const auto before = segment->config().read();
  auto made = make(*segment, loaded, {}, turn->alone());
  if (!made) return std::unexpected(made.error());
  const bool same = before && before->text == text;
  (*made)->number = same ? before->generation : segment->config().write(text, source_of(loaded));
  Opened opened{std::move(*segment), std::move(*made), std::nullopt};
  if (before && !same) opened.replaced = before->source;
  return opened;
}

std::expected<Opened, Error> open_in_force(const RateLimitConfig& config) {
  auto segment = Segment::open_existing(config);
  if (!segment) return std::unexpected(segment.error());
  const auto turn = segment->take_turn();
  if (!turn) return std::unexpected(turn.error());
  auto made = take_up_within_turn(*segment, {});
  if (!made) return std::unexpected(Error{to_string(made.error())});
  return Opened{std::move(*segment), std::move(*made), std::nullopt};
}

std::expected<std::shared_ptr<Generation>, Faults> put_in_force(const Segment& segment,
                                                                const LoadedConfig& loaded,
                                                                const ProgramRules& rules) {
  const auto turn = segment.take_turn();
  if (!turn) return std::unexpected(Faults{fault_of(loaded, "", turn.error().message)});
  Faults faults;
  if (const auto text = segment.config().read()) {
    if (const auto old = load_text(text->text, text->source)) {
      faults = what_must_stay(old->config, loaded);
    }
  }
  auto done = faults.empty() ? try_to_put_in_force(segment, loaded, rules)
                             : std::unexpected(std::move(faults));
  if (done) {
    segment.config().note_done();
  } else {
    segment.config().note_refused(to_string(done.error()), wall_us());
  }
  return done;
}

std::expected<std::shared_ptr<Generation>, Faults> take_up(const Segment& segment,
                                                           const ProgramRules& rules) {
  const auto turn = segment.take_turn();
  if (!turn) return std::unexpected(Faults{{"", 0, 0, "", turn.error().message}});
  return take_up_within_turn(segment, rules);
}

void note_refused(const Segment& segment, const Faults& faults) {
  const auto turn = segment.take_turn();
  if (turn) segment.config().note_refused(to_string(faults), wall_us());
}

}  // namespace tidegate::posix
