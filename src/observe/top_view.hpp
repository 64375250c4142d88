// What `tidegate top` shows: a status as lines of text. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tidegate/status.hpp"

namespace tidegate {

struct TopView {
  std::string_view title = {};  ///< says what is looked at
  std::size_t width = 80;       ///< columns; no line is longer. At least 20
  std::size_t height = 0;       ///< lines at most; 0: as many as there is to tell
  bool color = false;           ///< by the usual sequences of terminals
};

/// Rates are what has happened since `before`; without it they are "-". Lines end with LF. But for
/// colours only printable ASCII comes out, whatever bytes a client's text holds: others are written
/// as \xNN.
[[nodiscard]] std::string top_text(const Status& now, const Status* before, const TopView& view);

}  // namespace tidegate
