// What an access log has shown, in words and columns.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "core/json_text.hpp"
#include "engine/access_replay.hpp"

namespace tidegate {
namespace {

constexpr std::size_t kMaxNameBytes = 256;

template <class... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out += '\n';
}

std::string utc(std::uint64_t time_s) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     std::chrono::sys_seconds{std::chrono::seconds{time_s}});
}

/// A name on a terminal, whatever bytes it holds.
std::string shown(std::string_view name) {
  std::string out;
  append_json_text(name, kMaxNameBytes, out);
  return out;
}

std::string_view plural(std::uint64_t number) { return number == 1 ? "" : "s"; }

void add_lines(const AccessReplay& replay, std::string& out) {
  add(out, "{} line{} read, {} decided, {} skipped", replay.lines(), plural(replay.lines()),
      replay.decided(), replay.lines() - replay.decided());
  for (std::size_t i = 0; i < kAccessLineFaults; ++i) {
    const auto fault = static_cast<AccessLineFault>(i);
    const AccessReplay::Skipped& skipped = replay.skipped(fault);
    if (skipped.lines == 0) continue;
    add(out, "  {:>10}  {}; the first is line {}", skipped.lines, to_string(fault), skipped.first);
  }
  if (!replay.first_s()) return;
  add(out, "from {} to {}", utc(*replay.first_s()), utc(replay.last_s()));
  out += "answered then with";
  for (std::size_t status = 0; status < replay.statuses().size(); ++status) {
    if (replay.statuses()[status] == 0) continue;
    fmt::format_to(std::back_inserter(out), " {}: {},",
                   status == 0 ? "no status" : fmt::format("{}", status),
                   replay.statuses()[status]);
  }
  out.back() = '\n';
}

void add_outcomes(const AccessReplay& replay, std::string& out) {
  const AccessTally& tally = replay.tally(0);
  const auto row = [&](std::string_view name, Outcome outcome, bool always) {
    const std::uint64_t requests = tally.of(outcome);
    if (requests == 0 && !always) return;
    add(out, "  {:>10}  {:>6.2f}%  {}", requests,
        100.0 * static_cast<double>(requests) / static_cast<double>(replay.decided()), name);
  };
  add(out, "\nwhat would have become of them");
  row("allowed", Outcome::allowed, true);
  row("rejected", Outcome::denied, true);
  row("allowed, and rejected were the rule no shadow", Outcome::shadow, false);
  row("exempt", Outcome::exempt, false);
}

void add_rules(const AccessTally& tally, std::string& out) {
  add(out, "\n  {:>10}  {:>10}  {:>10}  rule", "matched", "allowed", "rejected");
  std::string never;
  for (const AccessTally::Rule& rule : tally.rules) {
    if (rule.matched == 0) {
      (never += never.empty() ? "" : ", ") += shown(rule.name);
      continue;
    }
    fmt::format_to(std::back_inserter(out), "  {:>10}  {:>10}  {:>10}  {}", rule.matched,
                   rule.matched - rule.rejected, rule.rejected, shown(rule.name));
    if (rule.shadow != 0) {
      fmt::format_to(std::back_inserter(out), " (a shadow would have rejected {})", rule.shadow);
    }
    out += '\n';
  }
  if (!never.empty()) add(out, "never matched: {}", never);
}

using Client = AccessReplay::Clients::value_type;

/// Those for whom `weight` is not 0, the heaviest first.
template <class Weight>
std::vector<const Client*> ranked(const AccessReplay& replay, Weight weight) {
  std::vector<const Client*> found;
  for (const Client& client : replay.clients()) {
    if (weight(client.second) != 0) found.push_back(&client);
  }
  std::ranges::sort(found, [&](const Client* a, const Client* b) {
    const auto heavy = weight(a->second);
    const auto other = weight(b->second);
    return heavy != other ? heavy > other : a->first < b->first;
  });
  return found;
}

void add_rest(std::size_t all, std::size_t top, std::string& out) {
  if (all > top) add(out, "  and {} more", all - top);
}

void add_clients(const AccessReplay& replay, std::size_t top, std::string& out) {
  const auto found = ranked(replay, [](const AccessClient& client) { return client.rejected[0]; });
  add(out, "\n{} of {} client{} would have been limited", found.size(), replay.clients().size(),
      plural(replay.clients().size()));
  if (!found.empty()) add(out, "  {:>10}  {:>11}  client", "rejected", "of requests");
  for (const Client* client : std::span(found).first(std::min(top, found.size()))) {
    add(out, "  {:>10}  {:>11}  {}", client->second.rejected[0], client->second.requests,
        shown(client->first));
  }
  add_rest(found.size(), top, out);
}

/// Of both configurations: rejected before and after, and where they disagree.
void add_changes(std::uint64_t before, std::uint64_t after, std::uint64_t newly,
                 std::uint64_t no_longer, std::string_view name, std::string& out) {
  add(out, "  {:>10}  {:>10}  {:>10}  {:>10}  {}", before, after, newly, no_longer, name);
}

void add_comparison(const AccessReplay& replay, std::size_t top, std::string& out) {
  const AccessTally& before = replay.tally(0);
  const AccessTally& after = replay.tally(1);
  add(out, "\nwhat the other configuration would change: rejected");
  add(out, "  {:>10}  {:>10}  {:>10}  {:>10}", "before", "after", "newly", "no longer");
  add_changes(before.of(Outcome::denied), after.of(Outcome::denied), after.rejected_only,
              before.rejected_only, "all requests", out);

  const auto of = [](const AccessTally& tally, std::string_view name) {
    const auto found = std::ranges::find(tally.rules, name, &AccessTally::Rule::name);
    return found == tally.rules.end() ? AccessTally::Rule{} : *found;
  };
  const auto add_rule = [&](const std::string& name) {
    const AccessTally::Rule was = of(before, name);
    const AccessTally::Rule is = of(after, name);
    if (was.rejected + is.rejected == 0) return;
    add_changes(was.rejected, is.rejected, is.rejected_only, was.rejected_only,
                "rule " + shown(name), out);
  };
  for (const AccessTally::Rule& rule : before.rules) add_rule(rule.name);
  for (const AccessTally::Rule& rule : after.rules) {
    if (of(before, rule.name).name.empty()) add_rule(rule.name);
  }

  const auto found = ranked(replay, [](const AccessClient& client) {
    return client.rejected_only[0] + client.rejected_only[1];
  });
  add(out, "{} of {} client{} would be answered differently", found.size(), replay.clients().size(),
      plural(replay.clients().size()));
  for (const Client* client : std::span(found).first(std::min(top, found.size()))) {
    const AccessClient& its = client->second;
    add_changes(its.rejected[0], its.rejected[1], its.rejected_only[1], its.rejected_only[0],
                shown(client->first), out);
  }
  add_rest(found.size(), top, out);
}

void add_doubts(const AccessReplay& replay, std::string& out) {
  if (const std::uint64_t requests = replay.other_clients().requests; requests != 0) {
    add(out,
        "\n{} requests, {} of them rejected, are of clients beyond the {} that are told apart here",
        requests, replay.other_clients().rejected[0], replay.clients().size());
  }
  for (std::size_t i = 0; i < (replay.compares() ? 2U : 1U); ++i) {
    if (const std::uint64_t charges = replay.overflow(i); charges != 0) {
      add(out,
          "\n{} charges{} found no room of their own and shared a count: raise capacity or "
          "log_slots under [rate_limiting.memory] for a figure that is right",
          charges, i == 0 ? "" : " of the other configuration");
    }
  }
}

}  // namespace

std::string report(const AccessReplay& replay, std::size_t top) {
  std::string out;
  add_lines(replay, out);
  if (replay.decided() == 0) return out;
  add_outcomes(replay, out);
  add_rules(replay.tally(0), out);
  add_clients(replay, top, out);
  if (replay.compares()) add_comparison(replay, top, out);
  add_doubts(replay, out);
  return out;
}

}  // namespace tidegate
