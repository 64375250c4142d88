#include "config/limit.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include "config/duration.hpp"
#include "core/time.hpp"

namespace tidegate::config {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kMaxLimit = 1'000'000'000;
constexpr std::uint64_t kMaxExactLimit = 10'000;  // sliding_window keeps a timestamp for each
constexpr std::chrono::microseconds kMinWindow = std::chrono::milliseconds(1);
constexpr std::chrono::microseconds kMaxWindow{static_cast<std::int64_t>(kMaxWindow_us)};

const Kind<std::uint64_t>& limit_kind() {
  static const auto kind = integer<std::uint64_t>(0, kMaxLimit);
  return kind;
}
const Kind<std::uint64_t>& burst_kind() {
  static const auto kind = integer<std::uint64_t>(1, kMaxLimit);
  return kind;
}
const Kind<std::chrono::microseconds>& window_kind() {
  static const auto kind = duration(kMinWindow, kMaxWindow);
  return kind;
}
const Kind<Algorithm>& algorithm_kind() {
  static const auto kind =
      word<Algorithm>({{"token_bucket", Algorithm::token_bucket},
                       {"sliding_window", Algorithm::sliding_window},
                       {"sliding_window_counter", Algorithm::sliding_window_counter},
                       {"fixed_window", Algorithm::fixed_window}});
  return kind;
}

/// Reads into `out`, or says what is wrong.
template <class V, class Out>
void read_value(Findings& findings, const std::string& path, const Node& node, const Kind<V>& kind,
                Out& out, const std::string& allowed) {
  const std::optional<V> value = kind.read(node);
  if (!value || kind.problem(*value)) {
    findings.fault(path, refusal(describe(node), allowed));
    return;
  }
  if constexpr (std::is_same_v<Out, std::optional<V>>) {
    out = value;
  } else {
    out = *value;
  }
}

WindowConfig& main_window(LimitConfig& limit) {
  return limit.windows.empty() ? limit.windows.emplace_back() : limit.windows.front();
}

/// One of `windows`: it has no algorithm of its own, and is never unlimited.
const Fields<WindowConfig>& window_fields() {
  static const Fields<WindowConfig> fields{
      required(
          field("limit", &WindowConfig::limit, limit_kind(), "requests or cost units a window")),
      required(field("window", &WindowConfig::window, window_kind(), "the window's length")),
      {.key = "burst",
       .docs = {{"burst", "integer", "its limit", burst_kind().allowed,
                 "token_bucket only: the bucket's capacity"}},
       .read =
           [](Findings& findings, const std::string& path, const Node& node, WindowConfig& out) {
             read_value(findings, path, node, burst_kind(), out.burst, burst_kind().allowed);
           },
       .check = nullptr},
  };
  return fields;
}

Field<LimitConfig> limit_field(const std::string& key, const std::string& standard) {
  const std::string allowed = limit_kind().allowed + " (0 rejects everything), or \"unlimited\"";
  return {
      .key = key,
      .docs = {{key, "integer", standard, allowed, "requests or cost units a window"}},
      .required = standard == "required",
      .read =
          [allowed](Findings& findings, const std::string& path, const Node& node,
                    LimitConfig& out) {
            const auto* text = node.as<std::string>();
            if (text != nullptr && *text == "unlimited") {
              findings.mark_unlimited(path.substr(0, path.rfind('.')));
            } else {
              read_value(findings, path, node, limit_kind(), main_window(out).limit, allowed);
            }
          },
      .check = nullptr,
  };
}

Field<LimitConfig> window_field(const std::string& key, const std::string& standard) {
  return {
      .key = key,
      .docs = {{key, "duration", standard, window_kind().allowed, "the window's length"}},
      .read =
          [](Findings& findings, const std::string& path, const Node& node, LimitConfig& out) {
            read_value(findings, path, node, window_kind(), main_window(out).window,
                       window_kind().allowed);
          },
      .check = nullptr,
  };
}

Field<LimitConfig> burst_field() {
  return {
      .key = "burst",
      .docs = {{"burst", "integer", "the limit", burst_kind().allowed,
                "token_bucket only: the bucket's capacity"}},
      .read =
          [](Findings& findings, const std::string& path, const Node& node, LimitConfig& out) {
            read_value(findings, path, node, burst_kind(), main_window(out).burst,
                       burst_kind().allowed);
          },
      .check = nullptr,
  };
}

Field<LimitConfig> windows_field() {
  struct Further {
    std::vector<WindowConfig> windows;
  };
  auto inner = tables("windows", &Further::windows, window_fields());
  return {
      .key = "windows",
      .docs = inner.docs,
      .read =
          [read = inner.read](Findings& findings, const std::string& path, const Node& node,
                              LimitConfig& out) {
            Further further;
            read(findings, path, node, further);
            main_window(out);
            out.windows.insert(out.windows.end(), further.windows.begin(), further.windows.end());
          },
      .check = nullptr,
  };
}

/// The paths of one window's values.
struct WindowPaths {
  std::string limit;
  std::string window;
  std::string burst;
};

void check_window(Findings& findings, const WindowPaths& paths, Algorithm algorithm,
                  const WindowConfig& window, bool in_memory) {
  const auto window_text = [&] { return format_duration(window.window); };
  if (limit_kind().problem(window.limit)) {
    return findings.fault(paths.limit,
                          refusal(limit_kind().write(window.limit), limit_kind().allowed));
  }
  if (window_kind().problem(window.window)) {
    return findings.fault(paths.window,
                          refusal(window_kind().write(window.window), window_kind().allowed));
  }
  if (window.burst && burst_kind().problem(*window.burst)) {
    return findings.fault(paths.burst,
                          refusal(burst_kind().write(*window.burst), burst_kind().allowed));
  }

  const auto window_us = static_cast<std::uint64_t>(window.window.count());
  if (window.limit > window_us) {
    findings.fault(paths.limit,
                   refusal(fmt::format("{} per {}", window.limit, window_text()),
                           fmt::format("at most {}: 1000000 a second for one client", window_us)));
  }
  if (window.burst && algorithm != Algorithm::token_bucket) {
    findings.fault(paths.burst, refusal(fmt::format("burst beside {}", to_string(algorithm)),
                                        "burst with algorithm = \"token_bucket\" only"));
  }
  const std::uint64_t burst = window.burst.value_or(window.limit);
  if (algorithm == Algorithm::token_bucket && window.limit != 0 &&
      Wide(burst) * window_us > Wide(kMaxWindow_us) * window.limit) {
    const auto most = Wide(kMaxWindow_us) * window.limit / window_us;
    findings.fault(
        paths.burst,
        refusal(fmt::format("{}", burst),
                fmt::format("at most {} with {} per {}: a bucket is full again within 366 days",
                            static_cast<std::uint64_t>(most), window.limit, window_text())));
  }
  if (algorithm == Algorithm::sliding_window_counter && in_memory &&
      window.limit > max_counter_limit(window.window)) {
    findings.fault(
        paths.limit,
        refusal(fmt::format("{} per {}", window.limit, window_text()),
                fmt::format("at most {} with sliding_window_counter in memory; algorithm = "
                            "\"token_bucket\" has no such bound",
                            max_counter_limit(window.window))));
  }
  if (algorithm == Algorithm::sliding_window && window.limit > kMaxExactLimit) {
    findings.fault(paths.limit,
                   refusal(fmt::format("{}", window.limit),
                           fmt::format("at most {} with sliding_window, which keeps a timestamp "
                                       "for each; algorithm = \"token_bucket\" has no such bound",
                                       kMaxExactLimit)));
  }
}

}  // namespace

std::uint64_t max_counter_limit(std::chrono::microseconds window) {
  const std::uint64_t bound = static_cast<std::uint64_t>(window.count()) * kTicksPerMicro;
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(bound)));
  // The double may be off by one either way.
  while (root * root > bound) --root;
  while ((root + 1) * (root + 1) <= bound) ++root;
  return root - 1;
}

Fields<LimitConfig> make_limit_fields(const LimitNames& names, const LimitConfig& defaults) {
  const bool has_default = !defaults.windows.empty();
  const std::string limit =
      has_default ? limit_kind().write(defaults.windows[0].limit) : "required";
  const std::string window =
      has_default ? window_kind().write(defaults.windows[0].window) : "required unless unlimited";
  Field<LimitConfig> algorithm =
      field("algorithm", &LimitConfig::algorithm, algorithm_kind(), "how requests are counted");
  if (!has_default) algorithm.docs[0].standard = "that of the default rule";
  return {limit_field(names.limit, limit), window_field(names.window, window), burst_field(),
          windows_field(), algorithm};
}

const Fields<LimitConfig>& limit_fields() {
  static const Fields<LimitConfig> fields = make_limit_fields({}, LimitConfig{});
  return fields;
}

void finish_limit(Findings& findings, const std::string& path, const LimitNames& names,
                  LimitConfig& limit) {
  main_window(limit);
  if (findings.unlimited(path)) {
    limit.windows.erase(limit.windows.begin());
    if (findings.given(path + ".burst")) {
      findings.warn(path + ".burst", "has no effect: the limit is \"unlimited\"");
    }
    return;
  }
  // The default rule's window has a default; no other rule inherits it, as nothing but the
  // algorithm is inherited, and to guess a window would be to guess the limit.
  const std::string window_path = path + "." + names.window;
  if (names.window == LimitNames{}.window && !findings.given(window_path)) {
    findings.fault(window_path, refusal("nothing", window_kind().allowed, "the key is missing"));
  }
}

void check_limit(Findings& findings, const std::string& path, const LimitNames& names,
                 const LimitConfig& limit, bool in_memory) {
  if (limit.windows.size() > kMaxWindowsPerRule) {
    return findings.fault(path + ".windows",
                          refusal(fmt::format("{} windows in one rule", limit.windows.size()),
                                  fmt::format("at most {}", kMaxWindowsPerRule)));
  }
  const bool has_main = !findings.unlimited(path);
  std::vector<const WindowConfig*> sound;
  for (std::size_t i = 0; i < limit.windows.size(); ++i) {
    const bool is_main = has_main && i == 0;
    const std::string item = fmt::format("{}.windows[{}]", path, i - (has_main ? 1 : 0));
    const WindowPaths paths =
        is_main ? WindowPaths{path + "." + names.limit, path + "." + names.window, path + ".burst"}
                : WindowPaths{item + ".limit", item + ".window", item + ".burst"};
    const WindowConfig& window = limit.windows[i];
    const bool readable = is_main
                              ? !findings.faulty(paths.limit) && !findings.faulty(paths.window) &&
                                    !findings.faulty(paths.burst)
                              : !findings.faulty_within(item);
    if (!readable) continue;
    if (std::ranges::any_of(sound, [&](auto* other) { return other->window == window.window; })) {
      findings.fault(paths.window, refusal(format_duration(window.window) + " twice in one rule",
                                           "windows of different lengths"));
    }
    sound.push_back(&window);
    if (!findings.faulty(path + ".algorithm")) {
      check_window(findings, paths, limit.algorithm, window, in_memory);
    }
  }
}

}  // namespace tidegate::config
