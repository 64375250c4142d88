// Header lines for tests.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidegate/decision.hpp"

namespace tidegate {

class TestHeaders final : public HeaderLines {
 public:
  TestHeaders() = default;
  TestHeaders(std::initializer_list<std::pair<std::string, std::string>> lines) : lines_(lines) {}
  void add(std::string name, std::string value) {
    lines_.emplace_back(std::move(name), std::move(value));
  }

  /// Names are compared as they are: tests spell them alike.
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override {
    for (const auto& [line_name, value] : lines_) {
      if (line_name == name && !use(value)) return;
    }
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace tidegate
