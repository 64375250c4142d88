// What was found wrong with a configuration, and where the values stand.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/document.hpp"
#include "tidegate/error.hpp"

namespace tidegate::config {

/// Collects faults and warnings while a configuration is read and checked. A path is the key's, as
/// "rate_limiting.endpoints[2].limit". For a configuration built by hand no path has a place.
class Findings {
 public:
  /// A value stands there. Called for every value read.
  void place(const std::string& path, Place place) { places_.insert_or_assign(path, place); }
  /// True if a value was written for `path` (not: a default was filled in).
  [[nodiscard]] bool given(const std::string& path) const { return places_.contains(path); }

  /// A fault at the value of `path`; if nothing stands there, at whatever encloses it.
  void fault(const std::string& path, std::string message);
  void fault_at(Place place, const std::string& path, std::string message);
  /// The same for what is allowed, but hardly meant.
  void warn(const std::string& path, std::string message);

  /// True if a fault was found at `path`: its value is not what was written, and nothing should be
  /// concluded from it.
  [[nodiscard]] bool faulty(const std::string& path) const { return faulty_.contains(path); }
  /// The same for `path` and everything below it.
  [[nodiscard]] bool faulty_within(const std::string& path) const;

  /// Makes `path` faulty without a fault of its own: it follows from one found elsewhere.
  void distrust(const std::string& path) { faulty_.insert(path); }

  /// Notes that the rule at `path` said "unlimited": it has no window of its own besides `windows`.
  void mark_unlimited(const std::string& path) { unlimited_.insert(path); }
  [[nodiscard]] bool unlimited(const std::string& path) const { return unlimited_.contains(path); }

  [[nodiscard]] bool any_faults() const { return !faults_.empty(); }
  /// In the order of the file; those without a line (from the environment) come last.
  [[nodiscard]] std::vector<Fault> take_faults();
  [[nodiscard]] std::vector<std::string> take_warnings() { return std::move(warnings_); }

 private:
  [[nodiscard]] Place nearest_place(std::string_view path) const;

  std::unordered_map<std::string, Place> places_;
  std::set<std::string, std::less<>> faulty_;
  std::set<std::string> unlimited_;
  std::vector<Fault> faults_;
  std::vector<std::string> warnings_;
};

}  // namespace tidegate::config
