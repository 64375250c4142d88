#include "observe/top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace tidegate {
namespace {

enum class Style : std::uint8_t { plain, bold, good, warning, bad };

std::string_view sequence_of(Style style) {
  switch (style) {
    case Style::bold:
      return "\x1b[1m";
    case Style::good:
      return "\x1b[32m";
    case Style::warning:
      return "\x1b[33m";
    case Style::bad:
      return "\x1b[31m";
    case Style::plain:
      break;
  }
  return "";
}

/// Bytes that could move the cursor or ring a bell never pass.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '\\') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// "1,234,567".
std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

/// Counts of a second; "-" where nothing is known.
std::string rate_text(std::optional<double> rate) {
  if (!rate) return "-";
  if (*rate >= 100) return grouped(static_cast<std::uint64_t>(std::llround(*rate)));
  return fmt::format("{:.1f}", *rate);
}

/// "10:24:07", of the day in UTC.
std::string time_text(std::uint64_t time_us) {
  const std::uint64_t seconds = time_us / 1'000'000 % 86'400;
  return fmt::format("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

/// Lines of at most so many columns and rows.
class Screen {
 public:
  explicit Screen(const TopView& view)
      : width_(std::max<std::size_t>(view.width, 20)), height_(view.height), color_(view.color) {}

  [[nodiscard]] std::size_t width() const { return width_; }
  /// Rows that are left.
  [[nodiscard]] std::size_t left() const {
    return height_ == 0 ? std::size_t(-1) : height_ - std::min(height_, rows_);
  }

  void add(std::string_view text, Style style = Style::plain) {
    text = text.substr(0, width_ - std::min(width_, column_));
    if (text.empty()) return;
    column_ += text.size();
    if (!color_ || style == Style::plain) {
      line_ += text;
      return;
    }
    line_ += sequence_of(style);
    line_ += text;
    line_ += "\x1b[0m";
  }
  /// A cell of `columns` and a space; what is too long ends with '~'.
  void left_cell(std::string text, std::size_t columns, Style style = Style::plain) {
    cut(text, columns);
    const std::size_t padding = columns + 1 - text.size();
    add(text, style);
    add(std::string(padding, ' '));
  }
  void right_cell(std::string text, std::size_t columns, Style style = Style::plain) {
    cut(text, columns);
    add(std::string(columns - text.size(), ' '));
    add(text, style);
    add(" ");
  }
  void end_line() {
    if (left() > 0) {
      while (line_.ends_with(' ')) line_.pop_back();
      out_ += line_;
      out_ += '\n';
      ++rows_;
    }
    line_.clear();
    column_ = 0;
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  static void cut(std::string& text, std::size_t columns) {
    if (text.size() <= columns) return;
    text.resize(columns);
    if (columns != 0) text.back() = '~';
  }

  std::size_t width_;
  std::size_t height_;
  bool color_;
  std::string out_;
  std::string line_;
  std::size_t column_ = 0;
  std::size_t rows_ = 0;
};

std::uint64_t requests_of(const Status::Totals& totals) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : totals.requests) sum += count;
  return sum;
}

std::uint64_t rejected_of(const Status::Totals& totals) {
  return totals.requests[static_cast<std::size_t>(Outcome::denied)] +
         totals.requests[static_cast<std::size_t>(Outcome::failed_closed)];
}

/// A rule and tier with its rates.
struct Rule {
  const Status::Totals* totals;
  std::optional<double> requests;
  std::optional<double> rejected;
};

std::vector<Rule> rules_of(const Status& now, const Status* before) {
  const bool known = before != nullptr && now.time_us > before->time_us;
  const double seconds = known ? static_cast<double>(now.time_us - before->time_us) / 1e6 : 0;
  const auto rate = [&](std::uint64_t count, std::uint64_t earlier) -> std::optional<double> {
    if (!known) return std::nullopt;
    return static_cast<double>(count - std::min(earlier, count)) / seconds;
  };
  std::vector<Rule> rules;
  for (const Status::Totals& totals : now.totals) {
    const Status::Totals* earlier = nullptr;
    for (std::size_t i = 0; known && i < before->totals.size() && earlier == nullptr; ++i) {
      const Status::Totals& candidate = before->totals[i];
      if (candidate.endpoint == totals.endpoint && candidate.tier == totals.tier) {
        earlier = &candidate;
      }
    }
    rules.push_back({.totals = &totals,
                     .requests = rate(requests_of(totals), earlier ? requests_of(*earlier) : 0),
                     .rejected = rate(rejected_of(totals), earlier ? rejected_of(*earlier) : 0)});
  }
  std::ranges::stable_sort(rules, [](const Rule& a, const Rule& b) {
    if (a.requests != b.requests) return a.requests > b.requests;
    return requests_of(*a.totals) > requests_of(*b.totals);
  });
  return rules;
}

std::string bar(double part, std::size_t columns) {
  const double filled = std::clamp(part, 0.0, 1.0) * static_cast<double>(columns);
  const auto marks = static_cast<std::size_t>(std::ceil(filled));
  return std::string(marks, '#') + std::string(columns - marks, '.');
}

double part_of(std::uint64_t used, std::uint64_t limit) {
  return limit == 0 ? 0 : static_cast<double>(used) / static_cast<double>(limit);
}

Style style_of(double part) {
  return part >= 1 ? Style::bad : part >= 0.8 ? Style::warning : Style::good;
}

void show_state(const Status& now, const TopView& view, Screen& screen) {
  const std::string time = time_text(now.time_us);
  const std::string title = printable(view.title);
  const std::size_t room = screen.width() - std::min(screen.width(), time.size() + 1);
  screen.left_cell(fmt::format("tidegate {}  {}", now.version, title), room, Style::bold);
  screen.add(time);
  screen.end_line();

  screen.add(now.health, now.health == "ok" ? Style::good : Style::bad);
  screen.add(fmt::format("  {}, breaker ", now.backend));
  screen.add(now.breaker, now.breaker == "closed" ? Style::plain : Style::bad);
  screen.add(fmt::format(", {}, configuration {}, reloads {}", now.failure_mode,
                         now.reloads.generation, grouped(now.reloads.succeeded)));
  if (now.reloads.failed != 0) {
    screen.add(fmt::format(", refused {}", grouped(now.reloads.failed)), Style::warning);
  }
  screen.end_line();
}

void show_totals(const Status& now, const std::vector<Rule>& rules, Screen& screen) {
  std::optional<double> requests;
  std::optional<double> rejected;
  for (const Rule& rule : rules) {
    if (!rule.requests) continue;
    requests = requests.value_or(0) + *rule.requests;
    rejected = rejected.value_or(0) + *rule.rejected;
  }
  screen.add(fmt::format("requests {}/s  ", rate_text(requests)));
  screen.add(fmt::format("rejected {}/s", rate_text(rejected)),
             rejected.value_or(0) > 0 ? Style::bad : Style::plain);
  screen.end_line();

  const double fill = part_of(now.store.entries, now.store.capacity);
  screen.add("table ");
  screen.add(fmt::format("[{}] {:.1f}%", bar(fill, 20), 100 * fill), style_of(fill));
  screen.add(fmt::format(" of {} entries", grouped(now.store.capacity)));
  screen.end_line();
  const bool worrying = now.store.overflow + now.store.repairs != 0;
  screen.add(fmt::format("evictions {}  ", grouped(now.store.evictions)));
  screen.add(fmt::format("overflow {}  conflicts {}  repairs {}", grouped(now.store.overflow),
                         grouped(now.store.conflicts), grouped(now.store.repairs)),
             worrying ? Style::warning : Style::plain);
  screen.end_line();
  for (const Status::Count& doubt : now.identity_warnings) {
    screen.add(
        fmt::format("doubt about clients: {} ({})", printable(doubt.name), grouped(doubt.count)),
        Style::warning);
    screen.end_line();
  }
}

void show_rules(const std::vector<Rule>& rules, std::size_t at_most, Screen& screen) {
  constexpr std::size_t kRate = 9;
  constexpr std::size_t kCount = 13;
  constexpr std::size_t kTier = 12;
  constexpr std::size_t kNumbers = 2 * (kRate + 1) + 2 * (kCount + 1);
  const std::size_t name =
      std::max<std::size_t>(screen.width(), kNumbers + kTier + 1 + 13) - kNumbers - kTier - 2;
  screen.left_cell("RULE", name, Style::bold);
  screen.left_cell("TIER", kTier, Style::bold);
  screen.right_cell("REQ/S", kRate, Style::bold);
  screen.right_cell("REJ/S", kRate, Style::bold);
  screen.right_cell("REQUESTS", kCount, Style::bold);
  screen.right_cell("REJECTED", kCount, Style::bold);
  screen.end_line();
  for (std::size_t i = 0; i < std::min(at_most, rules.size()); ++i) {
    const Rule& rule = rules[i];
    screen.left_cell(printable(rule.totals->endpoint), name);
    screen.left_cell(printable(rule.totals->tier), kTier);
    screen.right_cell(rate_text(rule.requests), kRate);
    screen.right_cell(rate_text(rule.rejected), kRate,
                      rule.rejected.value_or(0) > 0 ? Style::bad : Style::plain);
    screen.right_cell(grouped(requests_of(*rule.totals)), kCount);
    screen.right_cell(grouped(rejected_of(*rule.totals)), kCount);
    screen.end_line();
  }
  if (rules.empty()) {
    screen.add("no request has been decided yet");
    screen.end_line();
  }
}

void show_clients(const std::vector<Status::Usage>& busiest, Screen& screen) {
  constexpr std::size_t kUsed = 11;
  constexpr std::size_t kBar = 10;
  constexpr std::size_t kRule = 14;
  constexpr std::size_t kNumbers = 2 * (kUsed + 1) + kBar;
  const std::size_t client =
      std::max<std::size_t>(screen.width(), kNumbers + kRule + 1 + 17) - kNumbers - kRule - 2;
  screen.left_cell("CLIENT", client, Style::bold);
  screen.left_cell("RULE", kRule, Style::bold);
  screen.right_cell("USED", kUsed, Style::bold);
  screen.right_cell("LIMIT", kUsed, Style::bold);
  screen.end_line();
  for (const Status::Usage& usage : busiest) {
    if (screen.left() == 0) return;
    const double part = part_of(usage.used, usage.limit);
    screen.left_cell(printable(usage.client), client);
    screen.left_cell(printable(usage.endpoint), kRule);
    screen.right_cell(grouped(usage.used), kUsed);
    screen.right_cell(grouped(usage.limit), kUsed);
    screen.add(bar(part, kBar), style_of(part));
    screen.end_line();
  }
  if (busiest.empty()) {
    screen.add("nobody has used anything now");
    screen.end_line();
  }
}

}  // namespace

std::string top_text(const Status& now, const Status* before, const TopView& view) {
  Screen screen(view);
  const std::vector<Rule> rules = rules_of(now, before);
  show_state(now, view, screen);
  show_totals(now, rules, screen);
  screen.end_line();
  // Two titles and an empty line; of the rest at most half, so that clients are seen too.
  const std::size_t rest = screen.left() - std::min<std::size_t>(screen.left(), 3);
  const std::size_t for_clients = std::min(std::max<std::size_t>(now.busiest.size(), 1), rest / 2);
  show_rules(rules, rest - for_clients, screen);
  screen.end_line();
  show_clients(now.busiest, screen);
  return screen.take();
}

}  // namespace tidegate
