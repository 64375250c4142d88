#include "config/findings.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tidegate::config {

void Findings::fault(const std::string& path, std::string message) {
  fault_at(nearest_place(path), path, std::move(message));
}

void Findings::fault_at(Place place, const std::string& path, std::string message) {
  faulty_.insert(path);
  faults_.push_back({std::string{place.file}, place.line, place.column, path, std::move(message)});
}

void Findings::warn(const std::string& path, std::string message) {
  const Place place = nearest_place(path);
  warnings_.push_back(to_string(
      Fault{std::string{place.file}, place.line, place.column, path, std::move(message)}));
}

bool Findings::faulty_within(const std::string& path) const {
  for (auto at = faulty_.lower_bound(path); at != faulty_.end() && at->starts_with(path); ++at) {
    if (at->size() == path.size() || (*at)[path.size()] == '.' || (*at)[path.size()] == '[') {
      return true;
    }
  }
  return false;
}

std::vector<Fault> Findings::take_faults() {
  std::ranges::stable_sort(faults_, {}, [](const Fault& fault) {
    return std::tuple(fault.line == 0, fault.line, fault.column);
  });
  return std::move(faults_);
}

Place Findings::nearest_place(std::string_view path) const {
  for (;;) {
    const auto at = places_.find(std::string{path});
    if (at != places_.end()) return at->second;
    const std::size_t end = path.find_last_of(".[");
    if (end == std::string_view::npos) return {};
    path = path.substr(0, end);
  }
}

}  // namespace tidegate::config
