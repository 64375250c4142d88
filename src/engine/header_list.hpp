// Header lines that were written down, for requests that no server is holding.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ascii.hpp"
#include "tidegate/decision.hpp"

namespace tidegate {

class HeaderList final : public HeaderLines {
 public:
  using Lines = std::vector<std::pair<std::string, std::string>>;

  HeaderList() = default;
  explicit HeaderList(Lines lines) : lines_(std::move(lines)) {}
  void add(std::string name, std::string value) {
    lines_.emplace_back(std::move(name), std::move(value));
  }
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    for (const auto& [key, value] : lines_) {
      if (equal_ignoring_case(key, name) && !use(value)) return;
    }
  }

 private:
  Lines lines_;
};

}  // namespace tidegate
