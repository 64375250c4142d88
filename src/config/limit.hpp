// The keys that say how much is allowed: limit, window, burst, windows, algorithm. The default
// rule, tiers, endpoints and the tiers of endpoints have them all.
#pragma once

#include <functional>
#include <string>

#include "config/field.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

/// The default rule calls its keys default_limit and default_window.
struct LimitNames {
  std::string limit = "limit";
  std::string window = "window";
};
inline const LimitNames kDefaultLimitNames{.limit = "default_limit", .window = "default_window"};

/// The largest limit of a sliding_window_counter in memory, whose word holds two counts beside the
/// time, to the base of the integer root of window_us x 5040: one less than that.
[[nodiscard]] std::uint64_t max_counter_limit(std::chrono::microseconds window);

/// What the five keys are, written to a LimitConfig. While a table is read, its main window is
/// windows[0], even if it says "unlimited": finish_limit then takes it away.
[[nodiscard]] const Fields<LimitConfig>& limit_fields();
[[nodiscard]] Fields<LimitConfig> make_limit_fields(const LimitNames& names,
                                                    const LimitConfig& defaults);

/// The same keys for something that has a LimitConfig.
template <class T>
Fields<T> limit_fields_of(LimitConfig T::* member, const Fields<LimitConfig>& limit_fields) {
  Fields<T> fields;
  for (const Field<LimitConfig>& field : limit_fields) {
    fields.push_back({.key = field.key,
                      .docs = field.docs,
                      .required = field.required,
                      .read = [member, read = field.read](
                                  Findings& findings, const std::string& path, const Node& node,
                                  T& out) { read(findings, path, node, out.*member); },
                      .check = nullptr});
  }
  return fields;
}

/// To be called when the keys of the table at `path` were read.
void finish_limit(Findings& findings, const std::string& path, const LimitNames& names,
                  LimitConfig& limit);

/// Everything that makes a limit right or wrong: bounds of each value, of rates and of algorithms,
/// two windows of one length. `in_memory`: the memory store may have to enforce it.
void check_limit(Findings& findings, const std::string& path, const LimitNames& names,
                 const LimitConfig& limit, bool in_memory);

}  // namespace tidegate::config
