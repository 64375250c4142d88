#include "identity/header.hpp"

namespace tidegate {

HeaderValue read_header(const HeaderLines* headers, std::string_view name) {
  HeaderValue value;
  if (headers == nullptr) return value;
  headers->each(name, [&value](std::string_view line) {
    line = trim_blanks(line);
    if (value.state != HeaderState::absent && line != value.text) {
      value.state = HeaderState::contradictory;
      return false;
    }
    value.state = line.empty() ? HeaderState::empty : HeaderState::present;
    value.text = line;
    return true;
  });
  return value;
}

}  // namespace tidegate
